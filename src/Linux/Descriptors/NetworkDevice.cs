using System.Text;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>The devices of this thread's network (netdevice(7)).</summary>
public static unsafe class NetworkDevice
{
    /// <summary>The device of 127.0.0.1 and ::1, which is off in a new network.</summary>
    public const string Loopback = "lo";

    // linux/sockios.h and linux/if.h
    private const uint GetFlags = 0x8913;
    private const uint SetFlags = 0x8914;
    private const short Up = 1;

    // struct ifreq: 16 bytes of name, then 24 of what the call is about.
    private const int RequestSize = 40;
    private const int ValueAt = 16;

    /// <summary>Switches a device on.</summary>
    /// <returns>0, or the errno.</returns>
    public static int SwitchOn(string device)
    {
        using var socket = new SafeFd(SocketCalls.Socket(Abi.AF_INET, Abi.SOCK_DGRAM | Abi.SOCK_CLOEXEC, 0));
        var request = stackalloc byte[RequestSize];
        new Span<byte>(request, RequestSize).Clear();
        Encoding.ASCII.GetBytes(device, new Span<byte>(request, ValueAt - 1));
        if (socket.IsInvalid || DescriptorCalls.Ioctl(socket, GetFlags, request) < 0)
        {
            return Errno.Last;
        }

        *(short*)(request + ValueAt) |= Up;
        return DescriptorCalls.Ioctl(socket, SetFlags, request) < 0 ? Errno.Last : 0;
    }
}
