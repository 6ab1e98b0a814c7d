using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>The guest's connections to one forwarded port of QEMU's user network, for a server that is not the channel (HTTP).</summary>
public sealed class ForwardListener : IDisposable
{
    private readonly ForwardSource _source;
    private readonly PeerIdentity _peer;

    /// <summary>Listens on a Unix socket (mode 0600) that <c>channel-forward</c> hands connections to.</summary>
    /// <param name="path">Absolute path of the socket, at most 107 bytes.</param>
    /// <exception cref="ChannelException">The socket cannot be made; the text says why.</exception>
    public ForwardListener(string path)
    {
        _source = new ForwardSource(new UnixSocketAddress(LinkLocalSchemes.UserNet, path, "make the directory that the socket shall be in"));
        _peer = new PeerIdentity(LinkLocalSchemes.UserNet, path);
    }

    /// <summary>The next connection; other descriptors that were handed over are skipped. One call at a time.</summary>
    /// <remarks>A link and no socket: the program that handed it over has the socket too, and could make it blocking.</remarks>
    /// <exception cref="ChannelException">The listener was disposed of (<see cref="ChannelError.TransportFailed"/>).</exception>
    public async ValueTask<ITransportLink> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var fd = await _source.AcceptAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return SocketLink.Attach(fd, _peer, endsBothWays: true);
            }
            catch (ChannelException)
            {
                await Task.Delay(AcceptOperation.ShortagePause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();
}
