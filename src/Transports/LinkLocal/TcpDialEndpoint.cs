using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Dials the host over a link-local network, tap or user-net: the guest's side of both.</summary>
internal sealed class TcpDialEndpoint(string uri, TcpAddress address) : ITransportEndpoint
{
    internal const string Scheme = "tcp";

    private bool _disposed;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        SafeFd fd = address.NewSocket(uri);
        try
        {
            int errno = address.Connect(fd);
            if (errno is Errno.EINPROGRESS or Errno.EINTR)
            {
                using var connect = new ConnectOperation(fd, error => TcpAddress.Error(error, "dial", uri));
                await connect.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            else if (errno != 0)
            {
                throw TcpAddress.Error(errno, "dial", uri);
            }
            TcpAddress.Tune(fd);
            return SocketLink.Attach(fd, new PeerIdentity(Scheme, address.ToString()), endsBothWays: true);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }
}
