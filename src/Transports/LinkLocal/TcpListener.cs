using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>A listening TCP socket as a source of connections.</summary>
internal sealed class TcpListener : ISocketSource
{
    internal const string Scheme = "tcp-listen";

    private readonly SafeFd _fd;
    private readonly AcceptOperation _accept;

    /// <summary>Takes over a listening, non-blocking socket.</summary>
    internal TcpListener(SafeFd fd, string uri)
    {
        _fd = fd;
        _accept = new AcceptOperation(fd, uri, errno => TcpAddress.Error(errno, "accept on", uri));
    }

    public ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken) => _accept.AcceptAsync(cancellationToken);

    public void Dispose()
    {
        _accept.Dispose();
        _fd.Dispose();
    }
}
