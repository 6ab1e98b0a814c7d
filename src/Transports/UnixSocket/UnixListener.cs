using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>A listening Unix socket, its file (mode 0600, removed at the end), and accepting on it.</summary>
internal sealed class UnixListener : IDisposable
{
    private const int Backlog = 16;
    private const uint OwnerOnly = 0x180;

    private readonly UnixSocketAddress _place;
    private readonly ForeignFd _fd;
    private readonly FileIdentity? _file;
    private readonly Lock _gate = new();

    // Not before it is used: another process may accept in the place of this one.
    private AcceptOperation? _accept;
    private bool _isDisposed;

    private UnixListener(UnixSocketAddress place, ForeignFd fd, FileIdentity? file) => (_place, _fd, _file) = (place, fd, file);

    /// <summary>Accepts on a socket that another process has made, and whose file that one removes.</summary>
    /// <param name="place">Where it listens, for error texts.</param>
    /// <param name="socket">The socket, which is this object's from now on.</param>
    internal static UnixListener Of(UnixSocketAddress place, SafeFd socket)
    {
        var fd = new ForeignFd((int)socket.DangerousGetHandle(), new ForeignCloser());
        socket.SetHandleAsInvalid();
        return new UnixListener(place, fd, null);
    }

    /// <summary>Makes the socket, in the place of a stale one if there is one.</summary>
    internal static UnixListener Start(UnixSocketAddress place)
    {
        var fd = place.NewSocket(new ForeignCloser());
        try
        {
            // Before bind, so that the file has this mode from its first moment.
            if (DescriptorCalls.FChMod(fd, OwnerOnly) < 0)
            {
                throw place.Error(Errno.Last, "set the mode of");
            }

            var errno = place.Bind(fd);
            if (errno == Errno.EADDRINUSE)
            {
                RemoveStale(place, fd.Closer);
                errno = place.Bind(fd);
            }

            if (errno == Errno.ENOENT)
            {
                throw EndpointFault.ToException(errno, "listen on", place.Uri, "make the directory that the socket shall be in");
            }

            if (errno == 0 && place.Owner is { } owner && FileCalls.LChOwn(place.Path, owner, owner) != 0)
            {
                throw place.Error(Errno.Last, $"give to user {owner}");
            }

            if (errno != 0 || SocketCalls.Listen(fd, Backlog) < 0)
            {
                throw place.Error(errno != 0 ? errno : Errno.Last, "listen on");
            }

            return new UnixListener(place, fd, FileIdentity.Of(place.Path));
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>The listening socket.</summary>
    internal SafeFd Socket => _fd;

    /// <summary>Closes the connections, and the open files that come through them.</summary>
    internal ForeignCloser Closer => _fd.Closer;

    /// <summary>The next connection, once what came through earlier ones can be closed.</summary>
    internal async ValueTask<ForeignFd> AcceptAsync(CancellationToken cancellationToken)
    {
        await Closer.WaitForRoomAsync(cancellationToken).ConfigureAwait(false);
        return (ForeignFd)await Accepting().AcceptAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _accept?.Dispose();
        }

        // Only our own file: another program may have put its own there.
        if (_file is { } file && FileIdentity.Of(_place.Path) == file)
        {
            _ = FileCalls.Unlink(_place.Path);
        }

        _fd.Dispose();
    }

    private AcceptOperation Accepting()
    {
        lock (_gate)
        {
            return _isDisposed
                ? throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"accepting on {_place.Uri} ended: the endpoint was disposed of")
                : _accept ??= new AcceptOperation(_fd, _place.Uri, errno => _place.Error(errno, "accept on"), _fd.Closer);
        }
    }

    /// <summary>Removes the socket file of a listener that has gone; refuses if it is alive, or no socket at all.</summary>
    private static void RemoveStale(UnixSocketAddress place, ForeignCloser closer)
    {
        if (FileIdentity.Of(place.Path) is not { } found)
        {
            return;
        }

        if (!found.IsSocket)
        {
            throw new ChannelException(ChannelError.EndpointDenied, ErrorClass.Refused,
                $"cannot listen on {place.Uri}: there is a file that is no socket; remove it, or use another path");
        }

        using var probe = place.NewSocket(closer);
        var errno = place.Connect(probe);
        if (errno == Errno.ENOENT)
        {
            return;
        }

        if (errno != Errno.ECONNREFUSED)
        {
            throw EndpointFault.ToException(Errno.EADDRINUSE, "listen on", place.Uri,
                "another program listens there; stop it, or use another path");
        }

        if (FileCalls.Unlink(place.Path) < 0 && Errno.Last != Errno.ENOENT)
        {
            throw place.Error(Errno.Last, "remove the stale socket of");
        }
    }
}
