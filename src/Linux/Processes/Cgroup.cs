using System.Globalization;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// A control group (cgroups v2) for one program: it bounds its processes and kills all of them at once, wherever they have
/// gone. Where the guest has no such hierarchy, or keeps it from the agent, there is none, and the process group has to do.
/// </summary>
public sealed class Cgroup
{
    private const string Root = "/sys/fs/cgroup";

    /// <summary>Where the unified hierarchy is beside the old ones (systemd's "hybrid" layout).</summary>
    private const string HybridRoot = Root + "/unified";
    private const string Prefix = "channel-run-";
    private const int MaxPasses = 200;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(10);
    private static readonly HashSet<string> s_left = [];
    private readonly string _path;

    private Cgroup(string path) => _path = path;

    /// <summary>Its folder.</summary>
    public string Path => _path;

    /// <summary>The file that the number of a process is written to, to put it in.</summary>
    public string ProcessesFile => $"{_path}/cgroup.procs";

    /// <summary>Whether the number of processes is bounded.</summary>
    public bool IsLimited { get; private init; }

    /// <summary>Makes one below the agent's own; null if that is not possible.</summary>
    /// <param name="name">Unique among the programs of this agent.</param>
    /// <param name="mostProcesses">Bound of its processes.</param>
    public static Cgroup? Create(string name, int mostProcesses)
    {
        try
        {
            var parent = Parent();
            if (!File.Exists($"{parent}/cgroup.procs"))
            {
                return null;
            }

            // Fails where the parent has processes of its own and is not the root: then there is no bound.
            var isDelegated = SmallFile.TryWrite($"{parent}/cgroup.subtree_control", "+pids");
            var path = Make(parent, name);
            return new Cgroup(path)
            {
                IsLimited = isDelegated && SmallFile.TryWrite($"{path}/pids.max", mostProcesses.ToString(CultureInfo.InvariantCulture)),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Kills all that is in it. False if it is not there.</summary>
    public bool Kill() => Kill(_path);

    /// <summary>Removes it, if nothing is left in it.</summary>
    public void Remove() => TryRemove(_path);

    /// <summary>Kills all that is in the group of a folder, of either version. False if it is not there.</summary>
    public static bool Kill(string path) => SmallFile.TryWrite($"{path}/cgroup.kill", "1") || KillEach(path);

    /// <summary>
    /// Kills the processes in the group of a folder and removes it: killed processes hold it until the kernel has removed them. Gives up after
    /// two seconds.
    /// </summary>
    public static void End(string path)
    {
        for (var pass = 0; pass < MaxPasses && Directory.Exists(path); pass++)
        {
            Kill(path);
            Remove(path);
            Thread.Sleep(s_pause);
        }
    }

    /// <summary>Removes a group's folder, if nothing is left in it.</summary>
    public static void Remove(string path) => TryRemove(path);

    /// <summary>Makes a group's folder in another's, and removes there what processes that are gone have left.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    internal static string Make(string parent, string name)
    {
        RemoveEmpty(parent);
        var path = $"{parent}/{Prefix}{Environment.ProcessId}-{name}";
        Directory.CreateDirectory(path);
        return path;
    }

    /// <summary>Where the unified hierarchy is.</summary>
    public static string UnifiedRoot => File.Exists($"{HybridRoot}/cgroup.procs") ? HybridRoot : Root;

    /// <summary>Folder of this process's group in the unified hierarchy.</summary>
    internal static string Parent()
    {
        // "0::/path" is the line of the unified hierarchy (cgroups(7)).
        var own = SmallFile.Read("/proc/self/cgroup").Split('\n').FirstOrDefault(static line => line.StartsWith("0::/", StringComparison.Ordinal)) ?? "0::/";
        return own.Length == 4 ? UnifiedRoot : UnifiedRoot + own[3..];
    }

    // The kernel cannot kill a group of the first version, nor any before Linux 5.14. What it starts meanwhile is found by the next pass.
    private static bool KillEach(string path)
    {
        if (!File.Exists($"{path}/cgroup.procs"))
        {
            return false;
        }

        var place = $"/{System.IO.Path.GetFileName(path)}\n";
        foreach (var line in SmallFile.Read($"{path}/cgroup.procs").Split('\n'))
        {
            if (int.TryParse(line, CultureInfo.InvariantCulture, out var id) && id > 0)
            {
                // A number that is another's by now is of a process elsewhere: a group's name is unique.
                _ = ProcessMark.Kill(id, () => SmallFile.Read($"/proc/{id}/cgroup").Contains(place, StringComparison.Ordinal));
            }
        }

        return true;
    }

    private static void RemoveEmpty(string parent)
    {
        string[] own;
        lock (s_left)
        {
            own = [.. s_left];
            s_left.Clear();
        }

        foreach (var left in own)
        {
            TryRemove(left);
        }

        foreach (var other in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            // A group of a process that lives may be empty only because its program has not joined it yet.
            var maker = other[(other.LastIndexOf(Prefix, StringComparison.Ordinal) + Prefix.Length)..].Split('-')[0];
            if (!Directory.Exists($"/proc/{maker}"))
            {
                TryRemove(other);
            }
        }
    }

    private static void TryRemove(string path)
    {
        try
        {
            Directory.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Programs that were left running are in it; the next run tries again.
            if (Directory.Exists(path))
            {
                lock (s_left)
                {
                    s_left.Add(path);
                }
            }
        }
    }
}
