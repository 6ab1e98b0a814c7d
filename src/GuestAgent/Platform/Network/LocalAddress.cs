using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>The loopback device and its addresses, by the calls of netdevice(7).</summary>
internal static unsafe class LocalAddress
{
    private const uint GetFlags = 0x8913;
    private const uint SetFlags = 0x8914;
    private const uint SetAddress = 0x8916;
    private const uint SetNetmask = 0x891C;
    private const short UpAndRunning = 0x1 | 0x40;

    // struct ifreq: 16 bytes of name, then what the call is about. The label after the colon makes it one more address.
    private const int RequestSize = 40;
    private const int ValueAt = 16;
    private static readonly byte[] s_name = Encoding.ASCII.GetBytes("lo:md");
    private static readonly byte[] s_loopback = Encoding.ASCII.GetBytes("lo");

    /// <summary>Adds it with a mask of 32 bits; it stays, as it may be in use by others. Idempotent.</summary>
    /// <exception cref="ChannelException">Not allowed (<see cref="ChannelError.EndpointDenied"/>), or no such device (<see cref="ChannelError.TransportFailed"/>).</exception>
    public static void Add(IPAddress address)
    {
        var socket = SocketCalls.Socket(Abi.AF_INET, Abi.SOCK_DGRAM | Abi.SOCK_CLOEXEC, 0);
        if (socket < 0)
        {
            throw Failed(address);
        }

        try
        {
            var request = stackalloc byte[RequestSize];
            Fill(request, address);
            var added = DescriptorCalls.Ioctl(socket, SetAddress, request) == 0;
            Fill(request, IPAddress.Broadcast);
            added = added && DescriptorCalls.Ioctl(socket, SetNetmask, request) == 0;
            Fill(request, IPAddress.Any);
            // The loopback device itself may not be up yet when the agent starts early.
            *(int*)(request + 2) = 0;
            *(short*)(request + ValueAt) = UpAndRunning;
            if (!added || DescriptorCalls.Ioctl(socket, SetFlags, request) < 0)
            {
                throw Failed(address);
            }
        }
        finally
        {
            _ = DescriptorCalls.Close(socket);
        }
    }

    /// <summary>Sees to it that the loopback device is up, which gives it 127.0.0.1.</summary>
    /// <exception cref="ChannelException">Not allowed (<see cref="ChannelError.EndpointDenied"/>), or no such device (<see cref="ChannelError.TransportFailed"/>).</exception>
    public static void EnableLoopback()
    {
        var socket = SocketCalls.Socket(Abi.AF_INET, Abi.SOCK_DGRAM | Abi.SOCK_CLOEXEC, 0);
        if (socket < 0)
        {
            throw NotUp();
        }

        try
        {
            var request = stackalloc byte[RequestSize];
            new Span<byte>(request, RequestSize).Clear();
            s_loopback.CopyTo(new Span<byte>(request, ValueAt));
            var isKnown = DescriptorCalls.Ioctl(socket, GetFlags, request) == 0;
            var flags = (short*)(request + ValueAt);
            if (isKnown && (*flags & UpAndRunning) == UpAndRunning)
            {
                return;
            }

            *flags |= UpAndRunning;
            if (!isKnown || DescriptorCalls.Ioctl(socket, SetFlags, request) < 0)
            {
                throw NotUp();
            }
        }
        finally
        {
            _ = DescriptorCalls.Close(socket);
        }
    }

    /// <summary>Whether there is a network device besides the loopback one; plain files in the folder do not count.</summary>
    public static bool HasNetwork()
    {
        const string devices = "/sys/class/net";
        return Directory.Exists(devices) && Directory.GetDirectories(devices).Any(static path => Path.GetFileName(path) != "lo");
    }

    private static void Fill(byte* request, IPAddress address)
    {
        new Span<byte>(request, RequestSize).Clear();
        s_name.CopyTo(new Span<byte>(request, ValueAt));
        *(ushort*)(request + ValueAt) = Abi.AF_INET;
        _ = address.TryWriteBytes(new Span<byte>(request + ValueAt + 4, 4), out _);
    }

    private static ChannelException NotUp()
    {
        var errno = Errno.Last;
        return new ChannelException(errno == Errno.EPERM ? ChannelError.EndpointDenied : ChannelError.TransportFailed, ErrorClass.Refused,
            $"the loopback device cannot be used: {Errno.Message(errno)}; its kernel needs IPv4, and the agent CAP_NET_ADMIN");
    }

    private static ChannelException Failed(IPAddress address)
    {
        var errno = Errno.Last;
        return new ChannelException(errno == Errno.EPERM ? ChannelError.EndpointDenied : ChannelError.TransportFailed, ErrorClass.Refused,
            $"cannot give {address} to the loopback device: {Errno.Message(errno)}; it takes CAP_NET_ADMIN, or write metadata_relay = \"off\"");
    }
}
