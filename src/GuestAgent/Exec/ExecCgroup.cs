using System.Globalization;
using ChannelSdk.GuestAgent.Platform.Linux;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>
/// A control group (cgroups v2) for one program: it bounds its processes and kills all of them at once, wherever they have
/// gone. Where the guest has no such hierarchy, or keeps it from the agent, there is none, and the process group has to do.
/// </summary>
internal sealed class ExecCgroup
{
    private const string Root = "/sys/fs/cgroup";

    /// <summary>Where the unified hierarchy is beside the old ones (systemd's "hybrid" layout).</summary>
    private const string HybridRoot = Root + "/unified";
    private const string Prefix = "channel-run-";
    private static readonly HashSet<string> s_left = [];
    private readonly string _path;

    private ExecCgroup(string path) => _path = path;

    /// <summary>Its folder.</summary>
    public string Path => _path;

    /// <summary>The file that the number of a process is written to, to put it in.</summary>
    public string ProcessesFile => $"{_path}/cgroup.procs";

    /// <summary>Whether the number of processes is bounded.</summary>
    public bool IsLimited { get; private init; }

    /// <summary>Makes one below the agent's own; null if that is not possible.</summary>
    /// <param name="name">Unique among the programs of this agent.</param>
    /// <param name="mostProcesses">Bound of its processes.</param>
    public static ExecCgroup? Create(string name, int mostProcesses)
    {
        try
        {
            string parent = Parent();
            if (!File.Exists($"{parent}/cgroup.procs"))
            {
                return null;
            }
            RemoveEmpty(parent);
            // Fails where the parent has processes of its own and is not the root: then there is no bound.
            bool isDelegated = TryWrite($"{parent}/cgroup.subtree_control", "+pids");
            string path = $"{parent}/{Prefix}{Environment.ProcessId}-{name}";
            Directory.CreateDirectory(path);
            return new ExecCgroup(path)
            {
                IsLimited = isDelegated && TryWrite($"{path}/pids.max", mostProcesses.ToString(CultureInfo.InvariantCulture)),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Kills all that is in it. False where the kernel (before 5.14) cannot.</summary>
    public bool Kill() => Kill(_path);

    /// <summary>Removes it, if nothing is left in it.</summary>
    public void Remove() => TryRemove(_path);

    /// <summary>Kills all that is in the group of a folder.</summary>
    public static bool Kill(string path) => TryWrite($"{path}/cgroup.kill", "1");

    /// <summary>Removes a group's folder, if nothing is left in it.</summary>
    public static void Remove(string path) => TryRemove(path);

    private static string Parent()
    {
        // "0::/path" is the line of the unified hierarchy (cgroups(7)).
        string own = SmallFile.Read("/proc/self/cgroup").Split('\n').FirstOrDefault(static line => line.StartsWith("0::/", StringComparison.Ordinal)) ?? "0::/";
        string root = File.Exists($"{HybridRoot}/cgroup.procs") ? HybridRoot : Root;
        return own.Length == 4 ? root : root + own[3..];
    }

    private static void RemoveEmpty(string parent)
    {
        string[] own;
        lock (s_left)
        {
            own = [.. s_left];
            s_left.Clear();
        }
        foreach (string left in own)
        {
            TryRemove(left);
        }
        foreach (string other in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            // A group of a process that lives may be empty only because its program has not joined it yet.
            string maker = other[(other.LastIndexOf(Prefix, StringComparison.Ordinal) + Prefix.Length)..].Split('-')[0];
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

    private static bool TryWrite(string path, string value)
    {
        try
        {
            File.WriteAllText(path, value);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
