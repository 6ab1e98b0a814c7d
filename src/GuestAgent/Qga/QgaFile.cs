using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>An open file of a client. Nothing is buffered, so each write has gone to the kernel when it returns.</summary>
/// <param name="handle">Closed by the caller that removes the file.</param>
internal sealed class QgaFile(SafeFileHandle handle)
{
    public SafeFileHandle Handle => handle;

    /// <summary>When a command named it last, as a timestamp.</summary>
    public long UsedAt { get; set; }

    /// <summary>Reads until the span is full or the file ends; -1 for an error before the first byte.</summary>
    public unsafe int Read(Span<byte> to, out bool isEnd)
    {
        var done = 0;
        isEnd = false;
        while (done < to.Length)
        {
            nint count;
            fixed (byte* start = to[done..])
            {
                count = DescriptorCalls.Read(handle, start, (nuint)(to.Length - done));
            }

            isEnd = count == 0;
            if (count < 0 && Errno.Last == Errno.EINTR)
            {
                continue;
            }

            if (count <= 0)
            {
                return count < 0 && done == 0 ? -1 : done;
            }

            done += (int)count;
        }

        return done;
    }

    /// <summary>Writes all of it; false for an error.</summary>
    public unsafe bool Write(ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            nint count;
            fixed (byte* start = content)
            {
                count = DescriptorCalls.Write(handle, start, (nuint)content.Length);
            }

            if (count < 0 && Errno.Last != Errno.EINTR)
            {
                return false;
            }

            content = content[(int)Math.Max(count, 0)..];
        }

        return true;
    }
}
