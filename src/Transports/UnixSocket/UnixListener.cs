using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>A listening Unix socket, its file (mode 0600, removed at the end), and the accept operation on it.</summary>
internal sealed class UnixListener : IReactorClient, IDisposable
{
    private const int Backlog = 16;
    private const uint OwnerOnly = 0x180;

    private readonly UnixSocketPlace _place;
    private readonly SafeFd _fd;
    private readonly FileIdentity? _file;
    private readonly AcceptOperation _accept;
    private readonly ulong _token;

    private UnixListener(UnixSocketPlace place, SafeFd fd)
    {
        _place = place;
        _fd = fd;
        _file = FileIdentity.Of(place.Path);
        _accept = new AcceptOperation(this, IoReactor.Shared);
        _token = IoReactor.Shared.Register(fd, Linux.EPOLLIN, this);
    }

    /// <summary>Makes the socket, in the place of a stale one if there is one.</summary>
    internal static UnixListener Start(UnixSocketPlace place)
    {
        SafeFd fd = place.NewSocket();
        try
        {
            // Before bind, so that the file has this mode from its first moment.
            if (Libc.FChmod(fd, OwnerOnly) < 0)
            {
                throw place.Error(Errno.Last, "set the mode of");
            }
            int errno = place.Bind(fd);
            if (errno == Errno.EADDRINUSE)
            {
                RemoveStale(place);
                errno = place.Bind(fd);
            }
            if (errno == Errno.ENOENT)
            {
                throw Errno.ToException(errno, "listen on", place.Uri, "Make the directory that the socket shall be in.");
            }
            if (errno != 0 || Libc.Listen(fd, Backlog) < 0)
            {
                throw place.Error(errno != 0 ? errno : Errno.Last, "listen on");
            }
            return new UnixListener(place, fd);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    internal async ValueTask<SafeFd> AcceptAsync(CancellationToken cancellationToken)
    {
        ValueTask<int> accept = _accept.StartAsync();
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((AcceptOperation)state!).Cancel(new OperationCanceledException(token)), _accept);
        return new SafeFd(await accept.ConfigureAwait(false));
    }

    public void OnEvents(uint events) => _accept.OnReady();

    public void Dispose()
    {
        _accept.Close();
        IoReactor.Shared.Unregister(_fd, _token);
        // Only our own file: somebody may have put another one there.
        if (_file is { } file && FileIdentity.Of(_place.Path) == file)
        {
            _ = Libc.Unlink(_place.Path);
        }
        _fd.Dispose();
    }

    /// <summary>Removes the socket file of a listener that has gone; refuses if it is alive, or no socket at all.</summary>
    private static void RemoveStale(UnixSocketPlace place)
    {
        if (FileIdentity.Of(place.Path) is not { } found)
        {
            return;
        }
        if (!found.IsSocket)
        {
            throw new ChannelException(ChannelError.EndpointDenied, ErrorClass.Refused,
                $"Cannot listen on {place.Uri}: there is a file that is no socket. Remove it, or use another path.");
        }
        using SafeFd probe = place.NewSocket();
        int errno = place.Connect(probe);
        if (errno == Errno.ENOENT)
        {
            return;
        }
        if (errno != Errno.ECONNREFUSED)
        {
            throw Errno.ToException(Errno.EADDRINUSE, "listen on", place.Uri,
                "Another program listens there: stop it, or use another path.");
        }
        if (Libc.Unlink(place.Path) < 0 && Errno.Last != Errno.ENOENT)
        {
            throw place.Error(Errno.Last, "remove the stale socket of");
        }
    }

    private sealed class AcceptOperation(UnixListener listener, IoReactor reactor) : FdOperation(reactor)
    {
        internal ValueTask<int> StartAsync()
        {
            ThrowIfWaiting();
            return base.StartAsync();
        }

        protected override unsafe int Try()
        {
            while (true)
            {
                int fd = Libc.Accept4(listener._fd, null, null, Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC);
                if (fd >= 0)
                {
                    return fd;
                }
                switch (Errno.Last)
                {
                    case Errno.EAGAIN:
                        return WouldBlock;
                    case Errno.EINTR or Errno.ECONNABORTED:
                        continue;
                    default:
                        throw listener._place.Error(Errno.Last, "accept on");
                }
            }
        }

        protected override ChannelException ClosedError() => new(ChannelError.TransportFailed, ErrorClass.Refused,
            $"Accepting on {listener._place.Uri} ended: the endpoint was disposed of.");
    }
}
