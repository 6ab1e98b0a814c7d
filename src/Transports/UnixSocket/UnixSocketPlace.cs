using System.Text;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.UnixSocket;

/// <summary>A socket path in the role of some transport: which scheme it is, and what to tell people about it.</summary>
/// <param name="Scheme">The URI scheme.</param>
/// <param name="Path">The absolute path.</param>
/// <param name="MissingAdvice">What to do when nobody is there, a whole sentence.</param>
internal sealed record UnixSocketPlace(string Scheme, string Path, string MissingAdvice)
{
    /// <summary>sun_path with its final zero.</summary>
    private const int PathRoom = 108;
    private const int AddressLength = 2 + PathRoom;

    internal string Uri => $"{Scheme}://{Path}";

    /// <summary>A new, non-blocking stream socket.</summary>
    /// <param name="closer">Closes it, and the open files that a peer may send through it.</param>
    internal ForeignFd NewSocket(ForeignCloser closer)
    {
        int fd = Libc.Socket(Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC, 0);
        return fd >= 0 ? new ForeignFd(fd, closer) : throw Error(Errno.Last, "make a socket for");
    }

    /// <summary>Connects to the path: 0 or an errno.</summary>
    internal unsafe int Connect(SafeFd fd)
    {
        byte* address = stackalloc byte[AddressLength];
        WriteAddress(new Span<byte>(address, AddressLength));
        while (Libc.Connect(fd, address, AddressLength) < 0)
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
        byte* address = stackalloc byte[AddressLength];
        WriteAddress(new Span<byte>(address, AddressLength));
        return Libc.Bind(fd, address, AddressLength) < 0 ? Errno.Last : 0;
    }

    /// <summary>Who is at the other end, as the kernel noted it at connect or listen.</summary>
    internal unsafe PeerIdentity IdentifyPeer(SafeFd fd)
    {
        PeerCredentials credentials = default;
        uint length = (uint)sizeof(PeerCredentials);
        int status = Libc.GetSockOpt(fd, Linux.SOL_SOCKET, Linux.SO_PEERCRED, &credentials, &length);
        return status == 0
            ? new PeerIdentity(Scheme, Path, credentials.ProcessId, credentials.UserId)
            : throw Error(Errno.Last, "tell who the peer is on");
    }

    /// <summary>The peer's descriptors cannot be closed, so none may come any more.</summary>
    internal ChannelException Full() => new(ChannelError.TransportFailed, ErrorClass.Retry,
        $"Cannot open {Uri}: {ForeignCloser.Room} descriptors that came through it wait to be closed. End the program at its other end.");

    internal ChannelException Error(int errno, string action) => Errno.ToException(
        errno, action, Uri, errno is Errno.ENOENT or Errno.ECONNREFUSED ? MissingAdvice : null);

    private void WriteAddress(Span<byte> address)
    {
        int length = Encoding.UTF8.GetByteCount(Path);
        if (length >= PathRoom)
        {
            throw new ChannelException(ChannelError.BadEndpointUri, ErrorClass.Refused,
                $"The path of {Uri} has {length} bytes; a Unix socket path may have {PathRoom - 1}. Use a shorter one.");
        }
        address.Clear();
        address[0] = Linux.AF_UNIX;
        Encoding.UTF8.GetBytes(Path, address[2..]);
    }
}
