using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>The mounts of this process's namespace, in the kernel's order: a mount comes behind the one it stands on.</summary>
/// <param name="entries">All of them.</param>
internal sealed class MountTable(IReadOnlyList<MountEntry> entries)
{
    /// <summary>All mounts.</summary>
    public IReadOnlyList<MountEntry> Entries => entries;

    /// <summary>Reads mountinfo's text. Malformed lines are skipped.</summary>
    public static MountTable Parse(string text)
    {
        var entries = new List<MountEntry>();
        var reader = new MountLine();
        foreach (var line in text.Split('\n'))
        {
            if (reader.Parse(Encoding.UTF8.GetBytes(line)) is { } entry)
            {
                entries.Add(entry);
            }
        }

        return new MountTable(entries);
    }

    /// <summary>
    /// The mounts of each file system, however often it is mounted; first the one to name it by, which shows its root by the
    /// shortest path.
    /// </summary>
    /// <param name="isWanted">Whether a mount counts.</param>
    public IEnumerable<MountEntry[]> ByFileSystem(Func<MountEntry, bool> isWanted)
    {
        var devices = new List<string>();
        var groups = new Dictionary<string, List<MountEntry>>(StringComparer.Ordinal);
        foreach (var entry in Entries.Where(isWanted))
        {
            if (!groups.TryGetValue(entry.Device, out var group))
            {
                devices.Add(entry.Device);
                groups[entry.Device] = group = [];
            }

            group.Add(entry);
        }

        return devices.Select(device => NamedFirst(groups[device]));
    }

    /// <summary>The mount that a path lies on by its name, or null if there is none at all.</summary>
    public MountEntry? Containing(string path)
    {
        MountEntry? best = null;
        foreach (var entry in Entries)
        {
            // Of two on one path the later hides the earlier.
            if ((best is null || entry.Path.Length >= best.Path.Length) && IsWithin(path, entry.Path))
            {
                best = entry;
            }
        }

        return best;
    }

    private static MountEntry[] NamedFirst(List<MountEntry> mounts) =>
        [.. mounts.OrderBy(static mount => (mount.Root == "/" ? 0 : 1 << 30) + mount.Path.Length)];

    /// <summary>Whether a path is a folder, or below it, by its name.</summary>
    public static bool IsWithin(string path, string folder) => folder == "/" || path == folder
        || (path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/');
}
