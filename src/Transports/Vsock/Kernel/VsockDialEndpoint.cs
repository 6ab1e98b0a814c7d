using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Vsock.Kernel;

/// <summary>
/// Dials a CID and port through the kernel: the host from a guest, a guest from a host with vhost-vsock. Every open is a
/// new socket, so a guest whose own CID changed, or whose device was reset or unplugged and plugged, goes on.
/// </summary>
internal sealed class VsockDialEndpoint(string uri, VsockAddress address) : ITransportEndpoint
{
    internal const string Scheme = "vsock";

    private bool _disposed;

    public string Uri => uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var number = VsockAddress.NewSocket();
        if (number < 0)
        {
            throw VsockErrors.Of(Errno.Last, "dial", uri);
        }

        var fd = new SafeFd(number);
        ReservedPort.Bind(port => new VsockAddress(VsockAddress.AnyCid, port).Bind(fd));
        // The kernel gives up after 2 s by itself (SO_VM_SOCKETS_CONNECT_TIMEOUT).
        return await SocketDial.FinishAsync(fd, address.Connect(fd), errno => VsockErrors.Of(errno, "dial", uri),
            connected => SocketLink.Attach(connected, new PeerIdentity(Scheme, address.ToString())), cancellationToken).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }
}
