using System.Globalization;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>Processes of the guest's own system by their names. A user's process or a container's may have any name, and is none of them.</summary>
internal static class NamedProcesses
{
    private const string Services = "/system.slice/";
    private const int MaxSystemUid = 999;

    /// <summary>The processes with a name, and the unit of systemd that each is in; null in a guest without systemd.</summary>
    /// <param name="root">What stands before /proc.</param>
    /// <param name="name">As in /proc/PID/comm, at most 15 characters.</param>
    public static IEnumerable<(int Pid, string? Unit)> Find(string root, string name)
    {
        var hasSystemd = Directory.Exists(root + "/run/systemd/system");
        foreach (var folder in Directory.Exists(root + "/proc") ? Directory.EnumerateDirectories(root + "/proc") : [])
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                || SmallFile.Read(folder + "/comm").TrimEnd('\n') != name || FileOwner.Of(folder) is not { Uid: <= MaxSystemUid })
            {
                continue;
            }

            var unit = Unit(SmallFile.Read(folder + "/cgroup"));
            if (unit is not null || !hasSystemd)
            {
                yield return (pid, hasSystemd ? unit : null);
            }
        }
    }

    // cgroups(7): "0::/system.slice/networking.service". A container is in a scope, or below its own group.
    private static string? Unit(string groups)
    {
        foreach (var line in groups.Split('\n'))
        {
            var at = line.IndexOf(Services, StringComparison.Ordinal);
            var hierarchy = at < 0 ? "" : line[..at];
            var path = at < 0 ? "" : line[(at + Services.Length)..];
            if (hierarchy is "0::" or "1:name=systemd:" && path.Split('/') is { Length: 1 or 2 } parts && parts[^1].EndsWith(".service", StringComparison.Ordinal))
            {
                return parts[^1];
            }
        }

        return null;
    }
}
