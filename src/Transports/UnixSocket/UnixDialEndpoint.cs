using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>Dials a Unix socket that another program listens on.</summary>
internal sealed class UnixDialEndpoint(UnixSocketPlace place) : ITransportEndpoint
{
    private readonly ForeignCloser _closer = new();
    private bool _disposed;

    public string Uri => place.Uri;

    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ITransportLink>(cancellationToken);
        }
        try
        {
            return new ValueTask<ITransportLink>(Dial());
        }
        catch (ChannelException error)
        {
            return ValueTask.FromException<ITransportLink>(error);
        }
    }

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }

    private SocketLink Dial()
    {
        if (_closer.IsFull)
        {
            throw place.Full();
        }
        ForeignFd fd = place.NewSocket(_closer);
        try
        {
            // A Unix connect never waits when non-blocking: it works, or fails at once (EAGAIN: queue full).
            int errno = place.Connect(fd);
            if (errno != 0)
            {
                throw place.Error(errno, "dial");
            }
            return SocketLink.Attach(fd, place.IdentifyPeer(fd));
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }
}
