using ChannelSdk.Protocol;
using ChannelSdk.Transports.UnixSocket;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>The guest's connections to one forwarded port of QEMU's user network, for a server that is not the channel (HTTP).</summary>
public sealed class ForwardListener : IDisposable
{
    private readonly ForwardSource _source;

    /// <summary>Listens on a Unix socket (mode 0600) that <c>channel-forward</c> hands connections to.</summary>
    /// <param name="path">Absolute path of the socket, at most 107 bytes.</param>
    /// <exception cref="ChannelException">The socket cannot be made; the text says why.</exception>
    public ForwardListener(string path) =>
        _source = new ForwardSource(new UnixSocketPlace(LinkLocalSchemes.UserNet, path, "Make the directory that the socket shall be in."));

    /// <summary>The next connection. One call at a time.</summary>
    public async ValueTask<SafeFileHandle> AcceptAsync(CancellationToken cancellationToken = default) =>
        LinkLocalNetwork.ToHandle(await _source.AcceptAsync(cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public void Dispose() => _source.Dispose();
}
