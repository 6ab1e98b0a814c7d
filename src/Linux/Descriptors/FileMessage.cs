using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>A message on a Unix socket that keeps messages apart (SOCK_SEQPACKET), perhaps with open files (unix(7), SCM_RIGHTS).</summary>
public static unsafe class FileMessage
{
    /// <summary>Most open files of one message.</summary>
    public const int MostFiles = 16;

    private const int Room = 16 + MostFiles * sizeof(int);

    /// <summary>Sends one without waiting.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="message">The message, one byte at least.</param>
    /// <param name="file">The open file, which stays the caller's too; null for none.</param>
    /// <returns>0, or the errno: EAGAIN if the other side does not read.</returns>
    public static int Send(SafeFd socket, ReadOnlySpan<byte> message, SafeFd? file) => file is null ? SendFiles(socket, message, []) : SendFiles(socket, message, [file]);

    /// <summary>Sends one without waiting.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="message">The message, one byte at least.</param>
    /// <param name="files">The open files, which stay the caller's too: <see cref="MostFiles"/> at most.</param>
    /// <returns>0, or the errno: EAGAIN if the other side does not read, ETOOMANYREFS if too many of this user's are under way (unix(7)).</returns>
    public static int SendFiles(SafeFd socket, ReadOnlySpan<byte> message, ReadOnlySpan<SafeFd> files)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(files.Length, MostFiles);
        var control = stackalloc byte[Room];
        new Span<byte>(control, Room).Clear();
        var header = (ControlHeader*)control;
        (header->Length, header->Level, header->Type) = (sizeof(ControlHeader) + files.Length * sizeof(int), Abi.SOL_SOCKET, Abi.SCM_RIGHTS);
        var held = 0;
        try
        {
            for (; held < files.Length; held++)
            {
                var added = false;
                files[held].DangerousAddRef(ref added);
                ((int*)(header + 1))[held] = (int)files[held].DangerousGetHandle();
            }

            fixed (byte* start = message)
            {
                var vector = new IoVector { Start = start, Length = (nuint)message.Length };
                var sent = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = held == 0 ? null : control, ControlLength = held == 0 ? 0 : header->Length };
                while (SocketCalls.SendMsg(socket, &sent, Abi.MSG_NOSIGNAL | Abi.MSG_DONTWAIT) < 0)
                {
                    if (Errno.Last != Errno.EINTR)
                    {
                        return Errno.Last;
                    }
                }

                return 0;
            }
        }
        finally
        {
            while (held > 0)
            {
                files[--held].DangerousRelease();
            }
        }
    }

    /// <summary>Waits for one, from a process that is trusted not to send more than <see cref="MostFiles"/> open files with it.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="buffer">Where it goes; what is longer is cut.</param>
    /// <param name="files">Gets the open files that came with it.</param>
    /// <returns>Its length; 0 when the other side has gone, or the socket has failed.</returns>
    public static int Receive(SafeFd socket, Span<byte> buffer, List<SafeFd> files)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(files);
        var control = stackalloc byte[Room];
        fixed (byte* start = buffer)
        {
            var vector = new IoVector { Start = start, Length = (nuint)buffer.Length };
            nint received;
            MessageHeader message;
            do
            {
                message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = Room };
                received = SocketCalls.RecvMsg(socket, &message, Abi.MSG_CMSG_CLOEXEC);
            }
            while (received < 0 && Errno.Last == Errno.EINTR);
            if (received > 0)
            {
                ControlMessages.ReceiveFiles(control, message.ControlLength, closer: null, files);
            }

            return (int)Math.Max(0, received);
        }
    }
}
