using System.Diagnostics;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;

namespace ChannelSdk.HostEndpoint.Services;

/// <summary>Ping, and what the guest says of itself.</summary>
public sealed class InfoClient
{
    private readonly Instance _instance;

    internal InfoClient(Instance instance) => _instance = instance;

    /// <summary>What the guest says of itself. Every field is a claim of an untrusted party: escape its text before it is shown.</summary>
    /// <exception cref="ChannelException">The call failed; its class says whether it may be repeated.</exception>
    public ValueTask<GuestInfo> GetAsync(CancellationToken cancellationToken = default) =>
        _instance.Channel.CallAsync(ServiceMethods.InfoGet, new InfoRequest(), new CallOptions(_instance.Options.CallTimeout), cancellationToken);

    /// <summary>Round trip of one small call.</summary>
    /// <exception cref="ChannelException">The call failed.</exception>
    public async ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken = default)
    {
        var start = Stopwatch.GetTimestamp();
        await _instance.Channel.CallAsync(ServiceMethods.InfoPing, new PingRequest(), new CallOptions(_instance.Options.CallTimeout), cancellationToken).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(start);
    }
}
