using System.Globalization;
using System.Text;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The mounts of this process's namespace, in the kernel's order: a mount comes behind the one it stands on.</summary>
internal sealed class MountTable
{
    private MountTable(IReadOnlyList<MountEntry> entries) => Entries = entries;

    /// <summary>All mounts.</summary>
    public IReadOnlyList<MountEntry> Entries { get; }

    /// <summary>Reads mountinfo's text. Lines that are none are skipped.</summary>
    public static MountTable Parse(string text)
    {
        var entries = new List<MountEntry>();
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // ID parent major:minor root path options [fields] - type source super-options
            string[] words = line.Split(' ');
            int dash = Array.IndexOf(words, "-", Math.Min(6, words.Length));
            if (dash < 0 || words.Length < dash + 4 || !int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                continue;
            }
            entries.Add(new MountEntry(id, words[2], Unescape(words[3]), Unescape(words[4]), words[dash + 1], Unescape(words[dash + 2]),
                words[dash + 3].Split(',').Contains("ro")));
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
        foreach (MountEntry entry in Entries.Where(isWanted))
        {
            if (!groups.TryGetValue(entry.Device, out List<MountEntry>? group))
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
        foreach (MountEntry entry in Entries)
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
        mounts.OrderBy(static mount => (mount.Root == "/" ? 0 : 1 << 30) + mount.Path.Length);

    private static bool IsWithin(string path, string folder) => folder == "/" || path == folder
        || (path.StartsWith(folder, StringComparison.Ordinal) && path[folder.Length] == '/');

    // Blank, tab, line end and backslash stand as \ and three octal digits, as bytes of UTF-8.
    private static string Unescape(string word)
    {
        if (!word.Contains('\\', StringComparison.Ordinal))
        {
            return word;
        }
        byte[] source = Encoding.UTF8.GetBytes(word);
        byte[] bytes = new byte[source.Length];
        int count = 0;
        for (int i = 0; i < source.Length; i++)
        {
            bool escaped = source[i] == '\\' && i + 3 < source.Length && IsOctal(source[i + 1]) && IsOctal(source[i + 2]) && IsOctal(source[i + 3]);
            bytes[count++] = escaped ? (byte)((source[i + 1] - '0') << 6 | (source[i + 2] - '0') << 3 | (source[i + 3] - '0')) : source[i];
            i += escaped ? 3 : 0;
        }
        return Encoding.UTF8.GetString(bytes, 0, count);
    }

    private static bool IsOctal(byte b) => b is >= (byte)'0' and <= (byte)'7';
}
