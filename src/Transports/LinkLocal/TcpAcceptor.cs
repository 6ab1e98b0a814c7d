using System.Net;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Accepts TCP connections as links, each of which may half-close.</summary>
public sealed class TcpAcceptor : IDisposable
{
    private readonly TcpListener _listener;
    private readonly PeerIdentity _peer;

    /// <summary>Listens.</summary>
    /// <param name="address">An address of this machine.</param>
    /// <param name="port">1 to 65535, or 0 for a free one.</param>
    /// <exception cref="ChannelException">It cannot listen there; the text says why.</exception>
    public TcpAcceptor(IPAddress address, int port)
    {
        var place = new TcpAddress(address, port);
        var socket = place.Listen($"{TcpListener.Scheme}://{place}");
        try
        {
            Port = port == 0 ? TcpAddress.OwnPort(socket, $"{TcpListener.Scheme}://{place}") : port;
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        place = place with { Port = Port };
        _peer = new PeerIdentity(TcpListener.Scheme, place.ToString());
        _listener = new TcpListener(socket, $"{TcpListener.Scheme}://{place}");
    }

    /// <summary>The port that it listens on.</summary>
    public int Port { get; }

    /// <summary>The next connection. One call at a time.</summary>
    public async ValueTask<ITransportLink> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var fd = await _listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
            TcpAddress.Tune(fd);
            try
            {
                return SocketLink.Attach(fd, _peer);
            }
            catch (ChannelException)
            {
                // The kernel lacks something for this one: it is closed, and the next one may have it.
                await Task.Delay(AcceptOperation.ShortagePause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();
}
