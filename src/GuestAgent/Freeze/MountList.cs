using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using Native = ChannelSdk.Transports.Native;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>Reads the kernel's list of mounts as a stream: of megabytes of it, only what is wanted is ever in memory.</summary>
internal static class MountList
{
    /// <summary>The list of this process's mounts.</summary>
    public const string Own = "/proc/self/mountinfo";

    // A line has three names of at most 4 KiB, of which each byte may stand as four; a longer one is not the kernel's.
    private const int MaxLine = 128 << 10;
    private const int FirstBuffer = 16 << 10;

    // What an entry costs besides its texts, and what all may cost: a quarter of the agent's heap, some 30,000 usual mounts.
    private const int EntryBytes = 160;
    private const int MaxBytes = 8 << 20;

    /// <summary>Reads the mounts that are wanted.</summary>
    /// <param name="path">Where the list is.</param>
    /// <param name="isWanted">Whether a mount is kept.</param>
    /// <returns>The table, and whether it has all that are wanted.</returns>
    /// <exception cref="ChannelException">Code 407: the list cannot be read.</exception>
    public static unsafe (MountTable Table, bool IsWhole) Read(string path, Func<MountEntry, bool> isWanted)
    {
        using var file = new SafeFd(Native.Libc.Open(path, Native.Linux.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            throw Unreadable(path);
        }
        var lines = new MountLine();
        var entries = new List<MountEntry>();
        byte[] buffer = new byte[FirstBuffer];
        int length = 0;
        int kept = 0;
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = Native.Libc.Read(file, start + length, (nuint)(buffer.Length - length));
            }
            if (count < 0 && Errno.Last == Errno.EINTR)
            {
                continue;
            }
            if (count < 0)
            {
                throw Unreadable(path);
            }
            length += (int)count;
            int done = 0;
            while (buffer.AsSpan(done, length - done).IndexOf((byte)'\n') is >= 0 and int size)
            {
                if (lines.Parse(buffer.AsSpan(done, size)) is { } entry && isWanted(entry))
                {
                    kept += EntryBytes + ((entry.Path.Length + entry.Root.Length + entry.Source.Length) * sizeof(char));
                    if (kept > MaxBytes)
                    {
                        return (new MountTable(entries), false);
                    }
                    entries.Add(entry);
                }
                done += size + 1;
            }
            if (count == 0)
            {
                // The kernel ends each line, so what is left is none.
                return (new MountTable(entries), true);
            }
            buffer.AsSpan(done, length - done).CopyTo(buffer);
            length -= done;
            if (length == buffer.Length)
            {
                // No line is that long but one that a file made up, whose rest makes no sense either.
                length = buffer.Length < MaxLine ? length : 0;
                Array.Resize(ref buffer, Math.Min(MaxLine, buffer.Length * 2));
            }
        }
    }

    private static ChannelException Unreadable(string path) =>
        new(ChannelError.Unsupported, ErrorClass.Refused, $"{path} cannot be read ({Errno.Describe(Errno.Last)}); is /proc mounted?");
}
