using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>Reads the kernel's list of mounts as a stream: of megabytes of it, only what is wanted is ever in memory.</summary>
internal static class MountList
{
    /// <summary>The list of this process's mounts.</summary>
    public const string Own = "/proc/self/mountinfo";

    // What an entry costs besides its texts, and what all may cost: a quarter of the agent's heap, some 30,000 usual mounts.
    private const int EntryBytes = 160;
    private const int MaxBytes = 8 << 20;

    /// <summary>Reads the mounts that are wanted.</summary>
    /// <param name="path">Where the list is.</param>
    /// <param name="isWanted">Whether a mount is kept.</param>
    /// <returns>The table, and whether it has all that are wanted.</returns>
    /// <exception cref="ChannelException">Code 407: the list cannot be read.</exception>
    public static (MountTable Table, bool IsWhole) Read(string path, Func<MountEntry, bool> isWanted)
    {
        using var file = new LineFile(path);
        var lines = new MountLine();
        var entries = new List<MountEntry>();
        int kept = 0;
        while (file.Next(out ReadOnlySpan<byte> line))
        {
            if (lines.Parse(line) is not { } entry || !isWanted(entry))
            {
                continue;
            }
            kept += EntryBytes + ((entry.Path.Length + entry.Root.Length + entry.Source.Length) * sizeof(char));
            if (kept > MaxBytes)
            {
                return (new MountTable(entries), false);
            }
            entries.Add(entry);
        }
        return file.Error == 0 ? (new MountTable(entries), true) : throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
            $"{path} cannot be read ({Errno.Describe(file.Error)}); is /proc mounted?");
    }
}
