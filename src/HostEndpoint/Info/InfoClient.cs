using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;

namespace ChannelSdk.Host.Info;

/// <summary>Ping, and what the guest says of itself.</summary>
public sealed class InfoClient
{
    private readonly AgentConnection _connection;

    internal InfoClient(AgentConnection connection) => _connection = connection;

    /// <summary>What the guest says of itself. Every field is a claim of an untrusted party; its texts are escaped.</summary>
    /// <exception cref="ChannelException">The call failed; its class says whether it may be repeated.</exception>
    public async Task<GuestInfo> GetAsync(CancellationToken cancellationToken = default) => InfoClaims.Of(
        await _connection.Channel.CallAsync(InfoMethods.Get, new InfoRequest(), new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false));

    /// <summary>Round trip of one small call.</summary>
    /// <exception cref="ChannelException">The call failed.</exception>
    public async Task<TimeSpan> PingAsync(CancellationToken cancellationToken = default)
    {
        var start = _connection.Time.GetTimestamp();
        await _connection.Channel.CallAsync(InfoMethods.Ping, new PingRequest(), new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        return _connection.Time.GetElapsedTime(start);
    }
}
