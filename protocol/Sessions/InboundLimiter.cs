using ChannelSdk.Protocol.Limits;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// The rate limits of one session's inbound side. A class that is over its byte rate gets no new credit; a peer that
/// goes beyond that (messages, new streams, the total) is not read from until its debt is paid.
/// </summary>
internal sealed class InboundLimiter
{
    /// <summary>HELLO, HEARTBEAT and GOAWAY a second. The shortest heartbeat interval needs 100; each costs more work than its bytes.</summary>
    private const int LinkFramesPerSecond = 200;
    private const int LinkFramesBurst = 400;

    private readonly Buckets? _total;
    private readonly Buckets?[] _classes;
    private TokenBucket _linkFrames;

    public InboundLimiter(SessionOptions options, long now)
    {
        _linkFrames = new TokenBucket(LinkFramesPerSecond, LinkFramesBurst, now);
        _total = Buckets.Create(options.TotalLimit, now);
        _classes = [Buckets.Create(options.ControlLimit, now), Buckets.Create(options.RpcLimit, now), Buckets.Create(options.BulkLimit, now)];
    }

    /// <summary>Charges all bytes that were taken from a link: frames, repeated frames, skipped bytes.</summary>
    public void ChargeTotal(int bytes, int frames, long now)
    {
        if (bytes > 0)
        {
            _total?.Charge(bytes, frames, 0, now);
        }
    }

    /// <summary>Charges one frame to its class, and a new stream to the total. Frames of no stream (class null) have no class.</summary>
    public void Charge(StreamClass? streamClass, int bytes, bool opensStream, long now)
    {
        if (opensStream)
        {
            _total?.Charge(0, 0, 1, now);
        }

        if (streamClass is { } c)
        {
            _classes[(int)c]?.Charge(bytes, 1, opensStream ? 1 : 0, now);
        }
    }

    /// <summary>Charges a HELLO, HEARTBEAT or GOAWAY. False: no more of the link may be read now.</summary>
    public bool TryChargeLinkFrame(long now)
    {
        _linkFrames.Charge(1, now);
        return _linkFrames.ReadyAt(now) <= now;
    }

    /// <summary>When credit may be granted again to streams of this class.</summary>
    public long CreditAllowedAt(StreamClass streamClass, long now) => _classes[(int)streamClass]?.AllReadyAt(now) ?? now;

    /// <summary>Time before which the link must not be read, or 0.</summary>
    public long ReadPausedUntil(long now)
    {
        var until = Math.Max(_total?.AllReadyAt(now) ?? now, _linkFrames.ReadyAt(now));
        foreach (var buckets in _classes)
        {
            // Credit bounds a class in bytes, not in messages or streams: beyond one burst of debt only silence holds it.
            until = Math.Max(until, buckets?.MessagesAndStreamsReadyAt(now) ?? now);
        }

        return until > now ? until : 0;
    }

    private sealed class Buckets(RateLimit limit, long now)
    {
        private TokenBucket _bytes = new(limit.BytesPerSecond, limit.BytesBurst, now);
        private TokenBucket _messages = new(limit.MessagesPerSecond, limit.MessagesBurst, now);
        private TokenBucket _streams = new(limit.StreamsPerSecond, limit.StreamsBurst, now);

        public static Buckets? Create(RateLimit? limit, long now) => limit is null ? null : new Buckets(limit, now);

        public void Charge(int bytes, int frames, int streams, long now)
        {
            _bytes.Charge(bytes, now);
            _messages.Charge(frames, now);
            _streams.Charge(streams, now);
        }

        public long AllReadyAt(long now) => Math.Max(_bytes.ReadyAt(now), Math.Max(_messages.ReadyAt(now), _streams.ReadyAt(now)));

        public long MessagesAndStreamsReadyAt(long now) =>
            Math.Max(_messages.ReadyAt(now, limit.MessagesBurst), _streams.ReadyAt(now, limit.StreamsBurst));
    }
}
