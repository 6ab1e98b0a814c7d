using System.Net;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Proxy;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Relay;

/// <summary>
/// The guest's end of the host's proxy, for the time of one operation: accepts on a free port of the loopback address, and
/// carries each connection through the channel. What a client asks is read by the host alone.
/// </summary>
internal sealed class ProxyRelay : IAsyncDisposable
{
    /// <summary>As many as the host serves at a time.</summary>
    private const int MaxConnections = 32;

    private readonly ChannelRelay _relay;

    private ProxyRelay(ChannelRelay relay, int port) => (_relay, Port) = (relay, port);

    /// <summary>Where it listens.</summary>
    public int Port { get; }

    /// <summary>Begins to serve.</summary>
    /// <exception cref="ChannelException">The guest has no loopback device, or no free port.</exception>
    public static ProxyRelay Start(Channel channel, AgentLog log)
    {
        LocalAddress.EnableLoopback();
        var acceptor = new TcpAcceptor(IPAddress.Loopback, 0);
        var relay = new ChannelRelay("proxy", token => channel.OpenStreamAsync(ProxyMethods.Connect, new ProxyConnectRequest(), cancellationToken: token), channel, log)
        {
            MaxConnections = MaxConnections,
            // A tunnel's client may have something to say after the server.
            LastWords = TimeSpan.FromSeconds(30),
        };
        relay.Start(acceptor);
        return new ProxyRelay(relay, acceptor.Port);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _relay.DisposeAsync();
}
