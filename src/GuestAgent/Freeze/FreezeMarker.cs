using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The note of what is or may be frozen, for the agent's own successor: a line for the hooks that ran, for each file system with its device
/// number, for each control group with its path, and for each end of the lease, of which the last holds. It only grows until all but the hooks is
/// undone, so that a kill at any moment leaves what was frozen before in it. It lies on a tmpfs, so it can be removed while everything else is
/// frozen and does not outlive a boot.
/// </summary>
/// <param name="path">Where it is.</param>
internal sealed class FreezeMarker(string path)
{
    /// <summary>Where the agent of a guest keeps it.</summary>
    public const string DefaultPath = "/run/channel-agent/frozen";

    private const string HooksWord = "hooks ";
    private const string GroupWord = "group ";
    private const string EndWord = "end ";

    // Of 4096 groups, whose paths are as long as they may be in practice; and of the longest lease.
    private const int MaxBytes = 4 << 20;
    private const ulong MaxLeft = 3_600_000;

    /// <summary>Where it is.</summary>
    public string Path => path;

    /// <summary>Whether it was left behind.</summary>
    public bool Exists => File.Exists(path);

    /// <summary>Leaves nothing in it but that thaw hooks are due; to be called before the first hook runs, and, if any ran, when all else is undone.</summary>
    /// <param name="kind">Kind of the snapshot, which the hooks are told; null for none.</param>
    /// <exception cref="IOException">It cannot be written; no hook may be run then.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Begin(string? kind)
    {
        MakeFolder();
        File.WriteAllText(path, $"{HooksWord}{kind}\n");
    }

    /// <summary>Adds file systems; to be called before the first is frozen.</summary>
    /// <exception cref="IOException">It cannot be written; nothing may be frozen then.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Write(IEnumerable<FreezeTarget> targets) => Append(string.Concat(targets.Select(static target => target.Main.Device + "\n")));

    /// <summary>Adds a control group; to be called before it is frozen.</summary>
    /// <exception cref="IOException">It cannot be written; the group may not be frozen then.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Write(string group) => Append($"{GroupWord}{group}\n");

    /// <summary>Adds the end of the lease.</summary>
    /// <param name="left">How long it is from now.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Write(TimeSpan left) => Append(string.Create(CultureInfo.InvariantCulture, $"{EndWord}{Now + (ulong)left.TotalMilliseconds}\n"));

    /// <summary>What is in it; nothing if it is not there.</summary>
    public FreezeNote Read()
    {
        var devices = new HashSet<string>(StringComparer.Ordinal);
        var groups = new List<string>();
        ulong end = 0;
        string? kind = null;
        _ = SmallFile.TryRead(path, MaxBytes, out var bytes);
        foreach (var line in Encoding.UTF8.GetString(bytes).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith(GroupWord, StringComparison.Ordinal))
            {
                groups.Add(line[GroupWord.Length..]);
            }
            else if (line.StartsWith(HooksWord, StringComparison.Ordinal))
            {
                kind = line.Length > HooksWord.Length ? line[HooksWord.Length..] : null;
            }
            else if (line.StartsWith(EndWord, StringComparison.Ordinal))
            {
                end = ProcValues.Count(line[EndWord.Length..]);
            }
            else
            {
                _ = devices.Add(line);
            }
        }

        var now = Now;
        return new FreezeNote(kind, devices, groups, TimeSpan.FromMilliseconds(end > now && end - now < MaxLeft ? end - now : 0));
    }

    /// <summary>Removes it; false if that failed.</summary>
    public bool Remove()
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // CLOCK_BOOTTIME (proc_uptime(5)): it is the same for a successor, and for a copy of the guest.
    private static ulong Now => ProcValues.UptimeMilliseconds(SmallFile.Read("/proc/uptime"));

    private void Append(string lines)
    {
        MakeFolder();
        File.AppendAllText(path, lines);
    }

    private void MakeFolder() =>
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
}

/// <summary>What a predecessor left.</summary>
/// <param name="Kind">Kind of the snapshot that its hooks were told; null for none.</param>
/// <param name="Devices">Device numbers of file systems.</param>
/// <param name="Groups">Control groups, in the order of freezing.</param>
/// <param name="Left">How much of its lease is left.</param>
internal sealed record FreezeNote(string? Kind, HashSet<string> Devices, IReadOnlyList<string> Groups, TimeSpan Left);
