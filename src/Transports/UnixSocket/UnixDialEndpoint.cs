using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>Dials a Unix socket that another program listens on, and waits until that has accepted.</summary>
internal sealed class UnixDialEndpoint(UnixSocketAddress place) : ITransportEndpoint
{
    private readonly ForeignCloser _closer = new();
    private readonly Lock _gate = new();
    private ForeignFd? _queued;
    private bool _disposed;

    public string Uri => place.Uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var fd = Interlocked.Exchange(ref _queued, null) ?? Dial();
        var isTaken = false;
        try
        {
            isTaken = await AcceptQueue.WaitAsync(fd, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (!isTaken)
            {
                Keep(fd);
            }
        }

        return isTaken ? Attach(fd) : throw AcceptQueue.Busy(place.Uri);
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
            Close(Interlocked.Exchange(ref _queued, null));
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Keeps the connection for the next open: it has its place in the queue, where a closed one would stay too.</summary>
    private void Keep(ForeignFd fd)
    {
        lock (_gate)
        {
            if (_disposed || _queued is not null)
            {
                Close(fd);
                return;
            }

            _queued = fd;
        }
    }

    private static void Close(ForeignFd? fd)
    {
        fd?.EndSocket();
        fd?.Dispose();
    }

    private ForeignFd Dial()
    {
        if (_closer.IsFull)
        {
            throw place.Full();
        }

        var fd = place.NewSocket(_closer);
        // A Unix connect never waits when non-blocking: it works, or fails at once (EAGAIN: queue full).
        var errno = place.Connect(fd);
        if (errno == 0)
        {
            return fd;
        }

        fd.Dispose();
        throw place.Error(errno, "dial");
    }

    private SocketLink Attach(ForeignFd fd)
    {
        try
        {
            return SocketLink.Attach(fd, place.IdentifyPeer(fd));
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }
}
