using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>
/// A standard stream by its descriptor. Unlike the console's streams it tells that the reader of a pipe has gone, and unlike a
/// file stream it keeps no position of its own beside the descriptor's, which other programs may share.
/// </summary>
/// <param name="descriptor">0, 1 or 2.</param>
public sealed class DescriptorStream(int descriptor) : Stream
{
    /// <inheritdoc/>
    public override bool CanRead => descriptor == 0;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => descriptor != 0;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>
    /// The stream of a descriptor that this process was started with (<see cref="Descriptor.IsInherited"/>); null stands for a descriptor
    /// that was closed.
    /// </summary>
    public static Stream Inherited(int descriptor) => Descriptor.IsInherited(descriptor) ? new DescriptorStream(descriptor) : Null;

    /// <summary>Waits, on the caller's thread, until a pipe, socket or terminal has no reader any more. Never returns for a file.</summary>
    public unsafe void WaitBroken()
    {
        while (true)
        {
            var watched = new PollFd { Fd = descriptor };
            if (DescriptorCalls.Poll(&watched, 1, Timeout.Infinite) >= 0)
            {
                return;
            }
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override unsafe int Read(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                var count = DescriptorCalls.Read(descriptor, bytes, (nuint)buffer.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                WaitOrThrow(Abi.POLLIN);
            }
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override unsafe void Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            for (nint done = 0; done < buffer.Length;)
            {
                var count = DescriptorCalls.Write(descriptor, bytes + done, (nuint)(buffer.Length - done));
                if (count < 0)
                {
                    WaitOrThrow(Abi.POLLOUT);
                }
                else
                {
                    done += count;
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Nothing is kept here.
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    // A terminal or pipe that another program has set to not block is still waited for.
    private unsafe void WaitOrThrow(short events)
    {
        var error = Errno.Last;
        if (error == Errno.EAGAIN)
        {
            var watched = new PollFd { Fd = descriptor, Events = events };
            _ = DescriptorCalls.Poll(&watched, 1, Timeout.Infinite);
        }
        else if (error != Errno.EINTR)
        {
            var name = descriptor switch { 0 => "input cannot be read", 1 => "output cannot be written", _ => "error cannot be written" };
            throw new IOException($"standard {name}: {Errno.Message(error)}", error);
        }
    }
}
