using System.Net;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Metadata;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Relay;

/// <summary>
/// Serves the host's HTTP metadata inside a guest that has no link-local NIC: accepts on 169.254.169.254:80, an address that
/// it gives to the loopback device, and carries each connection through the channel.
/// </summary>
/// <param name="channel">The channel to the host.</param>
/// <param name="log">The log.</param>
internal sealed class MetadataRelay(Channel channel, AgentLog log) : IAsyncDisposable
{
    private readonly ChannelRelay _relay = new("metadata relay",
        token => channel.OpenStreamAsync(MetadataMethods.Relay, new MetadataRelayRequest(), cancellationToken: token), channel, log);

    /// <summary>Begins to serve. A failure is logged; the agent does its other work without it.</summary>
    /// <param name="address">Where clients look for metadata.</param>
    /// <param name="port">1 to 65535.</param>
    public void Start(IPAddress address, int port)
    {
        try
        {
            if (!IPAddress.IsLoopback(address))
            {
                LocalAddress.Add(address);
            }

            _relay.Start(new TcpAcceptor(address, port));
        }
        catch (ChannelException e)
        {
            log.Warning($"no metadata relay: {e.Message}");
            return;
        }

        log.Info($"metadata relay on {address}:{port}");
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _relay.DisposeAsync();
}
