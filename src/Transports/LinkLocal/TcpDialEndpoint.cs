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
        address.BindReserved(fd);
        return await SocketDial.FinishAsync(fd, address.Connect(fd), errno => TcpAddress.Error(errno, "dial", uri), connected =>
        {
            TcpAddress.Tune(connected);
            return SocketLink.Attach(connected, new PeerIdentity(Scheme, address.ToString()), endsBothWays: true);
        }, cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }
}
