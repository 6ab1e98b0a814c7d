using System.Buffers.Binary;
using System.Net;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>An address and a port, and the socket calls on them. Names are not looked up.</summary>
/// <param name="Address">IPv4 or IPv6.</param>
/// <param name="Port">1 to 65535; to listen on, also 0 for a free one.</param>
internal sealed record TcpAddress(IPAddress Address, int Port)
{
    private const int Backlog = 64;
    private const int V4Length = 16;
    private const int V6Length = 28;

    /// <summary>How long sent bytes may stay unacknowledged before the connection is given up, ms (tcp(7) TCP_USER_TIMEOUT).</summary>
    private const int UserTimeout = 15_000;

    // Sixteen bytes; the address family is of a namespace that this project does without.
    private bool IsV6 => Address.GetAddressBytes().Length == 16;

    /// <summary>Reads <c>ADDRESS:PORT</c>, an IPv6 address in brackets.</summary>
    /// <param name="uri">For the error.</param>
    /// <param name="text">The place in it.</param>
    internal static TcpAddress Parse(EndpointUri uri, string text) =>
        IPEndPoint.TryParse(text, out var found) && found.Port != 0
            ? new TcpAddress(found.Address, found.Port)
            : throw uri.Bad("it is not ADDRESS:PORT with an IP address and a port from 1 to 65535");

    public override string ToString() => new IPEndPoint(Address, Port).ToString();

    /// <summary>A new, non-blocking stream socket.</summary>
    internal SafeFd NewSocket(string uri)
    {
        var family = IsV6 ? Abi.AF_INET6 : Abi.AF_INET;
        var fd = SocketCalls.Socket(family, Abi.SOCK_STREAM | Abi.SOCK_NONBLOCK | Abi.SOCK_CLOEXEC, 0);
        return fd >= 0 ? new SafeFd(fd) : throw Error(Errno.Last, "make a socket for", uri);
    }

    /// <summary>Begins to connect: 0 when that is done, or an errno, EINPROGRESS among them.</summary>
    internal unsafe int Connect(SafeFd fd)
    {
        var address = stackalloc byte[V6Length];
        var length = Write(new Span<byte>(address, V6Length));
        return SocketCalls.Connect(fd, address, length) < 0 ? Errno.Last : 0;
    }

    /// <summary>Binds: 0 or an errno.</summary>
    private unsafe int Bind(SafeFd fd)
    {
        var address = stackalloc byte[V6Length];
        var length = Write(new Span<byte>(address, V6Length));
        return SocketCalls.Bind(fd, address, length) < 0 ? Errno.Last : 0;
    }

    /// <summary>A listening socket.</summary>
    /// <param name="uri">For error texts.</param>
    /// <param name="beforeAddressIsReady">Whether the address may still be on its way to its device (ip(7) IP_FREEBIND).</param>
    internal SafeFd Listen(string uri, bool beforeAddressIsReady = false)
    {
        var fd = NewSocket(uri);
        SetOption(fd, Abi.SOL_SOCKET, Abi.SO_REUSEADDR, 1);
        if (beforeAddressIsReady)
        {
            SetOption(fd, IsV6 ? Abi.IPPROTO_IPV6 : Abi.IPPROTO_IP, IsV6 ? Abi.IPV6_FREEBIND : Abi.IP_FREEBIND, 1);
        }

        var errno = Bind(fd);
        if (errno != 0 || SocketCalls.Listen(fd, Backlog) < 0)
        {
            errno = errno != 0 ? errno : Errno.Last;
            fd.Dispose();
            throw Error(errno, "listen on", uri);
        }

        return fd;
    }

    /// <summary>Binds a socket that shall dial to a source port that only a privileged process has, if this one is.</summary>
    internal void BindReserved(SafeFd fd)
    {
        var any = IsV6 ? IPAddress.IPv6Any : IPAddress.Any;
        ReservedPort.Bind(port => new TcpAddress(any, (int)port).Bind(fd));
    }

    /// <summary>The port at the other end of a connected socket; null if it has gone.</summary>
    internal static unsafe uint? PeerPort(SafeFd fd)
    {
        var address = stackalloc byte[V6Length];
        uint length = V6Length;
        // The port is at the same place in both families.
        return SocketCalls.GetPeerName(fd, address, &length) < 0 ? null : BinaryPrimitives.ReadUInt16BigEndian(new ReadOnlySpan<byte>(address + 2, 2));
    }

    /// <summary>The port at this end of a bound socket.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="uri">For error texts.</param>
    internal static unsafe int OwnPort(SafeFd fd, string uri)
    {
        var address = stackalloc byte[V6Length];
        uint length = V6Length;
        return SocketCalls.GetSockName(fd, address, &length) < 0 ? throw Error(Errno.Last, "ask for the port of", uri)
            : BinaryPrimitives.ReadUInt16BigEndian(new ReadOnlySpan<byte>(address + 2, 2));
    }

    /// <summary>Makes a connected socket fit for small messages, and for a peer that vanishes without a word.</summary>
    internal static void Tune(SafeFd fd)
    {
        SetOption(fd, Abi.IPPROTO_TCP, Abi.TCP_NODELAY, 1);
        SetOption(fd, Abi.IPPROTO_TCP, Abi.TCP_USER_TIMEOUT, UserTimeout);
        SetOption(fd, Abi.SOL_SOCKET, Abi.SO_KEEPALIVE, 1);
    }

    internal static ChannelException Error(int errno, string action, string uri) => EndpointFault.ToException(errno, action, uri,
        errno == Errno.ECONNREFUSED ? "start the program that listens there first" : null);

    // These options exist on every TCP socket; one that fails costs speed, not correctness.
    private static unsafe void SetOption(SafeFd fd, int level, int option, int value) => _ = SocketCalls.SetSockOpt(fd, level, option, &value, sizeof(int));

    private uint Write(Span<byte> target)
    {
        target.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)(IsV6 ? Abi.AF_INET6 : Abi.AF_INET));
        BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)Port);
        _ = Address.TryWriteBytes(target[(IsV6 ? 8 : 4)..], out _);
        if (IsV6)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(target[24..], (uint)Address.ScopeId);
        }

        return IsV6 ? V6Length : (uint)V4Length;
    }
}
