using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>
/// Messages with open files that outlive the process that wrote them: they lie in the kernel, in a socket pair of which another process has
/// both ends too. That process never receives them, so none of these files is ever open there, and the next writer finds them.
/// </summary>
public sealed unsafe class DescriptorStore : IDisposable
{
    private int _added;

    /// <summary>Takes the two ends.</summary>
    /// <param name="writing">Where messages are added.</param>
    /// <param name="reading">Where they are taken.</param>
    public DescriptorStore(SafeFd writing, SafeFd reading)
    {
        ArgumentNullException.ThrowIfNull(writing);
        ArgumentNullException.ThrowIfNull(reading);
        (Writing, Reading) = (writing, reading);
    }

    /// <summary>The end where messages are added.</summary>
    public SafeFd Writing { get; }

    /// <summary>The end where they are taken.</summary>
    public SafeFd Reading { get; }

    /// <summary>Makes an empty one; null if the process has no descriptors left.</summary>
    /// <param name="closer">Closes its ends, and with them what still lies between.</param>
    public static DescriptorStore? Create(ForeignCloser closer)
    {
        var ends = stackalloc int[2];
        return SocketCalls.SocketPair(Abi.AF_UNIX, Abi.SOCK_SEQPACKET | Abi.SOCK_CLOEXEC, 0, ends) == 0
            ? new DescriptorStore(new ForeignFd(ends[0], closer), new ForeignFd(ends[1], closer)) : null;
    }

    /// <summary>Adds a message behind those that are there, without waiting.</summary>
    /// <param name="message">One byte at least.</param>
    /// <param name="files">Its open files, which stay the caller's too: <see cref="FileMessage.MostFiles"/> at most.</param>
    /// <returns>0, or the errno of <see cref="FileMessage.SendFiles"/>.</returns>
    public int Add(ReadOnlySpan<byte> message, ReadOnlySpan<SafeFd> files)
    {
        var error = FileMessage.SendFiles(Writing, message, files);
        _added += error == 0 ? 1 : 0;
        return error;
    }

    /// <summary>Takes the oldest message.</summary>
    /// <param name="buffer">Where it goes; what is longer is cut.</param>
    /// <param name="files">Gets its open files.</param>
    /// <param name="closer">Closes these.</param>
    /// <returns>Its length; 0 if there is none.</returns>
    public int Take(Span<byte> buffer, List<SafeFd> files, ForeignCloser closer)
    {
        ArgumentNullException.ThrowIfNull(files);
        var control = stackalloc byte[ControlMessages.Room];
        fixed (byte* start = buffer)
        {
            var vector = new IoVector { Start = start, Length = (nuint)buffer.Length };
            var message = new MessageHeader { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlMessages.Room };
            var received = SocketCalls.RecvMsg(Reading, &message, Abi.MSG_CMSG_CLOEXEC | Abi.MSG_DONTWAIT);
            if (received <= 0)
            {
                return 0;
            }

            ControlMessages.ReceiveFiles(control, message.ControlLength, closer, files);
            _added = Math.Max(0, _added - 1);
            return (int)received;
        }
    }

    /// <summary>Drops all messages of this object but the last.</summary>
    public void DropOlder() => Drop(1);

    /// <summary>Drops all messages of this object.</summary>
    public void Clear() => Drop(0);

    /// <inheritdoc/>
    public void Dispose()
    {
        Writing.Dispose();
        Reading.Dispose();
    }

    private void Drop(int left)
    {
        // Without room for the files the kernel lets go of them.
        byte first;
        while (_added > left && SocketCalls.Recv(Reading, &first, 1, Abi.MSG_DONTWAIT) > 0)
        {
            _added--;
        }
    }
}
