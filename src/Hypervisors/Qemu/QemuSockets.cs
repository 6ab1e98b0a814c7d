using System.Net.Sockets;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Unix sockets that are made for a QEMU which may not make them where they are.</summary>
internal static unsafe class QemuSockets
{
    private const int Backlog = 4;
    private const uint OwnerOnly = 0x180;

    /// <summary>A socket that listens, whose file only this user may use.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be made; with the reason.</exception>
    public static SafeFileHandle Listen(string path)
    {
        // As QEMU does: a saved guest is restored where it was.
        _ = FileCalls.Unlink(path);
        var socket = New(path);
        // Before bind, so that the file has this mode from its first moment.
        return DescriptorCalls.FChMod(socket, OwnerOnly) == 0 && Place(path, socket, SocketCalls.Bind) == 0 && Call(socket, static fd => SocketCalls.Listen(fd, Backlog)) == 0
            ? socket : throw Failed(socket, "listen on", path);
    }

    /// <summary>A socket that is connected to another program's.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be reached; with the reason.</exception>
    public static SafeFileHandle Connect(string path)
    {
        var socket = New(path);
        return Place(path, socket, SocketCalls.Connect) == 0 ? socket : throw Failed(socket, "connect to", path);
    }

    private delegate int AddressCall(SafeFd socket, void* address, uint length);

    private static SafeFileHandle New(string path)
    {
        var number = SocketCalls.Socket(Abi.AF_UNIX, Abi.SOCK_STREAM | Abi.SOCK_CLOEXEC, 0);
        return number >= 0 ? new SafeFileHandle(number, ownsHandle: true) : throw Failed(null, "make a socket for", path);
    }

    private static int Place(string path, SafeFileHandle socket, AddressCall call)
    {
        System.Net.SocketAddress address;
        try
        {
            address = new UnixDomainSocketEndPoint(path).Serialize();
        }
        catch (ArgumentException)
        {
            socket.Dispose();
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the path {path} is too long for a socket of QEMU");
        }

        return Call(socket, fd =>
        {
            fixed (byte* start = address.Buffer.Span)
            {
                return call(fd, start, (uint)address.Size);
            }
        });
    }

    private static int Call(SafeFileHandle socket, Func<SafeFd, int> call)
    {
        // The number is the handle's.
        using var borrowed = new SafeFd((int)socket.DangerousGetHandle());
        try
        {
            return call(borrowed);
        }
        finally
        {
            borrowed.SetHandleAsInvalid();
        }
    }

    private static ChannelException Failed(SafeFileHandle? socket, string action, string path)
    {
        var error = Errno.Last;
        socket?.Dispose();
        return new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"cannot {action} {path} for QEMU: {Errno.Describe(error)}");
    }
}
