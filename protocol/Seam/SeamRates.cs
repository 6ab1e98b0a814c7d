using ChannelSdk.Protocol.Limits;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// How often a worker may tell things, each of which takes time of the thread that serves all instances. A worker holds its guest to the rates of the session, so
/// one that goes far beyond them is none that works.
/// </summary>
internal sealed class SeamRates
{
    // A guest may have 200 frames a second that are told, and 100 links, each with some events.
    private const int EventsPerSecond = 2_000;

    /// <summary>What gathers while this process does not run for a minute or two.</summary>
    private const int EventsAtOnce = 20_000;

    /// <summary>Calls in one buffer of a guest's bytes, which are read before a worker finds that they are too many.</summary>
    private const int CallsOfOneBuffer = 8_192;

    private TokenBucket _events = new(EventsPerSecond, EventsAtOnce, 0);
    private TokenBucket _calls;

    /// <summary>Makes those of one worker.</summary>
    /// <param name="total">What its guest may send in all; null: there is no limit, and none for calls here.</param>
    public SeamRates(RateLimit? total) => _calls = new TokenBucket(2 * (total?.StreamsPerSecond ?? 0), 2 * (total?.StreamsBurst ?? 0) + CallsOfOneBuffer, 0);

    /// <summary>Takes an event of links, sessions or the endpoint. False: there are too many.</summary>
    public bool TryTakeEvent(long now) => TryTake(ref _events, now);

    /// <summary>Takes a call of the guest. False: there are too many.</summary>
    public bool TryTakeCall(long now) => TryTake(ref _calls, now);

    private static bool TryTake(ref TokenBucket bucket, long now)
    {
        bucket.Charge(1, now);
        return bucket.ReadyAt(now) <= now;
    }
}
