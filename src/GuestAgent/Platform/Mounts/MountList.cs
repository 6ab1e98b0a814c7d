using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>Reads the kernel's list of mounts as a stream: only wanted lines are ever in memory, although it may have megabytes.</summary>
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
    /// <exception cref="ChannelException"><see cref="ChannelError.Unsupported"/>: the list cannot be read.</exception>
    public static (MountTable Table, bool IsWhole) Read(string path, Func<MountEntry, bool> isWanted)
    {
        using var file = new LineFile(path);
        var lines = new MountLine();
        var entries = new List<MountEntry>();
        var kept = 0;
        while (file.Next(out var line))
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
