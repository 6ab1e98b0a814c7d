using System.ComponentModel;
using System.Net.Sockets;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Hands an open file to the process at the other end of a Unix socket (unix(7), SCM_RIGHTS).</summary>
internal static class FileSending
{
    /// <summary>Sends bytes with a file; the file stays the caller's, too.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.LinkLost"/>: it cannot be sent.</exception>
    public static unsafe void Send(Socket socket, ReadOnlySpan<byte> bytes, SafeFileHandle file)
    {
        const int controlSize = 24;
        var isCounted = false;
        file.DangerousAddRef(ref isCounted);
        try
        {
            fixed (byte* start = bytes)
            {
                var vector = new IoVector { Start = start, Length = (nuint)bytes.Length };
                var control = stackalloc byte[controlSize];
                *(ControlHeader*)control = new ControlHeader { Length = sizeof(ControlHeader) + sizeof(int), Level = Abi.SOL_SOCKET, Type = Abi.SCM_RIGHTS };
                *(int*)(control + sizeof(ControlHeader)) = (int)file.DangerousGetHandle();
                var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = controlSize };
                using var own = new SafeFd((int)socket.SafeHandle.DangerousGetHandle());
                var sent = SocketCalls.SendMsg(own, &message, Abi.MSG_NOSIGNAL);
                // The number is the socket's.
                own.SetHandleAsInvalid();
                if (sent != bytes.Length)
                {
                    throw new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, $"QEMU does not take a file: {new Win32Exception().Message}");
                }
            }
        }
        finally
        {
            file.DangerousRelease();
        }
    }
}
