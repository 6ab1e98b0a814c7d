using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>A socket path in the role of some transport: which scheme it is, and what to tell people about it.</summary>
/// <param name="Scheme">The URI scheme.</param>
/// <param name="Path">The absolute path.</param>
/// <param name="MissingAdvice">What to do when no program listens, without a full stop.</param>
internal sealed record UnixSocketAddress(string Scheme, string Path, string MissingAdvice)
{
    /// <summary>sun_path with its final zero.</summary>
    private const int PathRoom = 108;
    private const int AddressLength = 2 + PathRoom;

    /// <summary>The user that may connect to it besides root, once this process listens there; null for this process's.</summary>
    internal uint? Owner { get; init; }

    internal string Uri => $"{Scheme}://{Path}";

    /// <summary>A new, non-blocking stream socket.</summary>
    /// <param name="closer">Closes it, and the open files that a peer may send through it.</param>
    internal ForeignFd NewSocket(ForeignCloser closer)
    {
        var fd = SocketCalls.Socket(Abi.AF_UNIX, Abi.SOCK_STREAM | Abi.SOCK_NONBLOCK | Abi.SOCK_CLOEXEC, 0);
        return fd >= 0 ? new ForeignFd(fd, closer) : throw Error(Errno.Last, "make a socket for");
    }

    /// <summary>Connects to the path: 0 or an errno.</summary>
    internal unsafe int Connect(SafeFd fd)
    {
        var address = stackalloc byte[AddressLength];
        WriteAddress(new Span<byte>(address, AddressLength));
        while (SocketCalls.Connect(fd, address, AddressLength) < 0)
        {
            if (Errno.Last != Errno.EINTR)
            {
                return Errno.Last;
            }
        }

        return 0;
    }

    /// <summary>Binds to the path: 0 or an errno.</summary>
    internal unsafe int Bind(SafeFd fd)
    {
        var address = stackalloc byte[AddressLength];
        WriteAddress(new Span<byte>(address, AddressLength));
        return SocketCalls.Bind(fd, address, AddressLength) < 0 ? Errno.Last : 0;
    }

    /// <summary>The process at the other end, as the kernel noted it at connect or listen.</summary>
    internal unsafe PeerIdentity IdentifyPeer(SafeFd fd)
    {
        PeerCredentials credentials = default;
        var length = (uint)sizeof(PeerCredentials);
        var status = SocketCalls.GetSockOpt(fd, Abi.SOL_SOCKET, Abi.SO_PEERCRED, &credentials, &length);
        return status == 0
            ? new PeerIdentity(Scheme, Path, credentials.ProcessId, credentials.UserId)
            : throw Error(Errno.Last, "tell who the peer is on");
    }

    /// <summary>The peer's descriptors cannot be closed, so none may come any more.</summary>
    internal ChannelException Full() => new(ChannelError.TransportFailed, ErrorClass.Retry,
        $"cannot open {Uri}: {ForeignCloser.Room} descriptors that came through it wait to be closed; end the program at its other end");

    internal ChannelException Error(int errno, string action) => EndpointFault.ToException(
        errno, action, Uri, errno is Errno.ENOENT or Errno.ECONNREFUSED ? MissingAdvice : null);

    private void WriteAddress(Span<byte> address)
    {
        var length = Encoding.UTF8.GetByteCount(Path);
        if (length >= PathRoom)
        {
            throw new ChannelException(ChannelError.BadEndpointUri, ErrorClass.Refused,
                $"the path of {Uri} has {length} bytes; a Unix socket path may have {PathRoom - 1}; use a shorter one");
        }

        address.Clear();
        address[0] = Abi.AF_UNIX;
        Encoding.UTF8.GetBytes(Path, address[2..]);
    }
}
