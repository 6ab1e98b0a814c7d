using System.Runtime.InteropServices;

namespace ChannelSdk.Tool;

/// <summary>
/// A standard stream by its descriptor. Unlike the console's streams it tells that the reader of a pipe has gone, and unlike a
/// file stream it keeps no position of its own beside the descriptor's, which other programs may share.
/// </summary>
/// <param name="descriptor">0, 1 or 2.</param>
internal sealed partial class DescriptorStream(int descriptor) : Stream
{
    /// <summary>EPIPE: nobody reads any more.</summary>
    public const int BrokenPipe = 32;

    private const int CloseOnExec = 1;
    private const int GetDescriptorFlags = 1;
    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const short PollIn = 1;
    private const short PollOut = 4;

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
    /// The stream of a descriptor that this process was started with; null stands for a descriptor that was closed. What the
    /// runtime has opened in its place meanwhile is marked to be closed on exec, and no inherited descriptor can be.
    /// </summary>
    public static Stream Inherited(int descriptor) =>
        Fcntl(descriptor, GetDescriptorFlags) is >= 0 and var flags && (flags & CloseOnExec) == 0 ? new DescriptorStream(descriptor) : Null;

    /// <summary>Waits, on the caller's thread, until nobody can read a pipe, socket or terminal any more. Never returns for a file.</summary>
    public void WaitBroken()
    {
        while (true)
        {
            var watched = new PollDescriptor { Descriptor = descriptor };
            if (Poll(ref watched, 1, -1) >= 0)
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
                var count = Read(descriptor, bytes, (nuint)buffer.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                WaitOrThrow(PollIn);
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
                var count = Write(descriptor, bytes + done, (nuint)(buffer.Length - done));
                if (count < 0)
                {
                    WaitOrThrow(PollOut);
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
    private void WaitOrThrow(short events)
    {
        var error = Marshal.GetLastPInvokeError();
        if (error == TryAgain)
        {
            var watched = new PollDescriptor { Descriptor = descriptor, Events = events };
            _ = Poll(ref watched, 1, -1);
        }
        else if (error != Interrupted)
        {
            var name = descriptor switch { 0 => "input cannot be read", 1 => "output cannot be written", _ => "error cannot be written" };
            throw new IOException($"standard {name}: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Result;
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(int descriptor, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(int descriptor, byte* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int timeout);

    // Variadic, which makes no difference without a third argument.
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(int descriptor, int command);
}
