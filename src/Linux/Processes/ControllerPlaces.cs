using System.Text;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.Linux.Processes;

/// <summary>Where this process may make control groups with the controllers that bound a program (cgroups(7)).</summary>
internal static class ControllerPlaces
{
    /// <summary>
    /// The folder in the unified hierarchy below which a group has the most controllers: this process's own, or the nearest above it. A
    /// group with processes gives none to those below it, so the own one serves only where it is the root. In the own and the one above
    /// it, which may have been given to this process, controllers are switched on; further up only those count that are on.
    /// </summary>
    /// <param name="wanted">The controllers.</param>
    public static string UnifiedParent(IReadOnlyList<string> wanted)
    {
        var root = Cgroup.UnifiedRoot;
        var own = Cgroup.Parent();
        var (best, most) = (own, 0);
        var level = 0;
        for (var place = own; place.Length >= root.Length && most < wanted.Count; place = Path.GetDirectoryName(place)!, level++)
        {
            var given = Controllers($"{place}/cgroup.controllers", wanted);
            foreach (var name in level < 2 ? given : [])
            {
                _ = SmallFile.TryWrite($"{place}/cgroup.subtree_control", $"+{name}");
            }

            var count = Controllers($"{place}/cgroup.subtree_control", wanted).Length;
            if (count > most)
            {
                (best, most) = (place, count);
            }
        }

        return best;
    }

    /// <summary>The folder of this process's group in the hierarchy of a controller of the first version; null if there is none.</summary>
    public static string? FirstVersionParent(string controller)
    {
        var own = SmallFile.Read("/proc/self/cgroup").Split('\n').Select(static line => line.Split(':', 3))
            .FirstOrDefault(parts => parts.Length == 3 && parts[1].Split(',').Contains(controller));
        if (own is null || MountOf(controller) is not var (root, mount))
        {
            return null;
        }

        // In a container the mount may begin at the container's own group, or below it.
        var place = root == "/" ? mount + own[2] : own[2] == root || own[2].StartsWith($"{root}/", StringComparison.Ordinal) ? mount + own[2][root.Length..] : mount;
        return place.TrimEnd('/');
    }

    private static string[] Controllers(string file, IReadOnlyList<string> wanted) => [.. SmallFile.Read(file).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Intersect(wanted)];

    // "36 25 0:31 / /sys/fs/cgroup/memory rw,... shared:9 - cgroup cgroup rw,memory" (proc_pid_mountinfo(5)).
    private static (string Root, string Mount)? MountOf(string controller)
    {
        using var mounts = new LineFile("/proc/self/mountinfo");
        while (mounts.Next(out var line))
        {
            var fields = Encoding.UTF8.GetString(line).Split(' ');
            var dash = Array.IndexOf(fields, "-");
            if (dash >= 6 && fields.Length > dash + 3 && fields[dash + 1] == "cgroup" && fields[dash + 3].Split(',').Contains(controller))
            {
                return (fields[3], fields[4]);
            }
        }

        return null;
    }
}
