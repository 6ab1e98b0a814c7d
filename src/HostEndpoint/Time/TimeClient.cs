using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Time;

namespace ChannelSdk.Host.Time;

/// <summary>How far the guest's wall clock is from the host's.</summary>
/// <param name="Offset">Positive: the guest is ahead.</param>
/// <param name="Uncertainty">The true offset is no further than this from <paramref name="Offset"/>: half the round trip.</param>
public readonly record struct ClockDrift(TimeSpan Offset, TimeSpan Uncertainty);

/// <summary>The guest's wall clock.</summary>
public sealed class TimeClient
{
    private const int Samples = 5;
    private readonly AgentConnection _connection;

    internal TimeClient(AgentConnection connection) => _connection = connection;

    /// <summary>Compares the clocks; of five round trips the shortest counts. The guest may lie.</summary>
    /// <exception cref="ChannelException">The call failed.</exception>
    public async Task<ClockDrift> DriftAsync(CancellationToken cancellationToken = default)
    {
        ClockDrift? best = null;
        for (var i = 0; i < Samples; i++)
        {
            var before = _connection.Time.GetUtcNow();
            var start = _connection.Time.GetTimestamp();
            var reply = await _connection.Channel.CallAsync(
                TimeMethods.Get, new TimeRequest(), new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false);
            var half = _connection.Time.GetElapsedTime(start) / 2;
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
    /// <exception cref="ChannelException"><see cref="ChannelError.Unsupported"/>: the guest's agent may not set it; <see cref="ChannelError.PermissionDenied"/>.</exception>
    public async Task<TimeSpan> SetAsync(CancellationToken cancellationToken = default)
    {
        var drift = await DriftAsync(cancellationToken).ConfigureAwait(false);
        var arrival = _connection.Time.GetUtcNow() + drift.Uncertainty - DateTimeOffset.UnixEpoch;
        var reply = await _connection.Channel.CallAsync(
            TimeMethods.Set, new TimeSetRequest { UnixNs = arrival.Ticks * TimeSpan.NanosecondsPerTick },
            new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        return TimeSpan.FromTicks(reply.MovedNs / TimeSpan.NanosecondsPerTick);
    }
}
