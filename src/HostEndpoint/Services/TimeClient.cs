using System.Diagnostics;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>How far the guest's wall clock is from the host's.</summary>
/// <param name="Offset">Positive: the guest is ahead.</param>
/// <param name="Uncertainty">The true offset is no further than this from <paramref name="Offset"/>: half the round trip.</param>
public readonly record struct ClockDrift(TimeSpan Offset, TimeSpan Uncertainty);

/// <summary>The guest's wall clock.</summary>
public sealed class TimeClient
{
    private const int Samples = 5;
    private readonly Instance _instance;

    internal TimeClient(Instance instance) => _instance = instance;

    /// <summary>Compares the clocks; of five round trips the shortest counts. The guest may lie.</summary>
    /// <exception cref="ChannelException">The call failed.</exception>
    public async ValueTask<ClockDrift> DriftAsync(CancellationToken cancellationToken = default)
    {
        ClockDrift? best = null;
        for (var i = 0; i < Samples; i++)
        {
            var before = DateTimeOffset.UtcNow;
            var start = Stopwatch.GetTimestamp();
            var reply = await _instance.Channel.CallAsync(
                ServiceMethods.TimeGet, new TimeRequest(), new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
            var half = Stopwatch.GetElapsedTime(start) / 2;
            if (best is null || half < best.Value.Uncertainty)
            {
                var guest = TimeSpan.FromTicks(reply.UnixNs / TimeSpan.NanosecondsPerTick);
                best = new ClockDrift(guest - (before + half - DateTimeOffset.UnixEpoch), half);
            }
        }

        return best!.Value;
    }

    /// <summary>Sets the guest's clock to the host's, to within half a round trip.</summary>
    /// <returns>By how much the guest says that it was moved; positive is forward.</returns>
    /// <exception cref="ChannelException">Unsupported: the guest's agent may not set it; PermissionDenied.</exception>
    public async ValueTask<TimeSpan> SetAsync(CancellationToken cancellationToken = default)
    {
        var drift = await DriftAsync(cancellationToken).ConfigureAwait(false);
        var arrival = DateTimeOffset.UtcNow + drift.Uncertainty - DateTimeOffset.UnixEpoch;
        var reply = await _instance.Channel.CallAsync(
            ServiceMethods.TimeSet, new TimeSetRequest { UnixNs = arrival.Ticks * TimeSpan.NanosecondsPerTick },
            new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
        return TimeSpan.FromTicks(reply.MovedNs / TimeSpan.NanosecondsPerTick);
    }
}
