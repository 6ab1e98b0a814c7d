using System.Globalization;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// The control groups of one program that bound its memory, its processes and its time of processors, and by which all of it is
/// killed: a folder in the unified hierarchy (cgroups v2), and one in the hierarchy of each controller that is of the first version.
/// </summary>
public sealed class ResourceGroup
{
    private const int CpuPeriod = 100_000;
    private const int Percent = 100;

    private ResourceGroup(IReadOnlyList<string> paths, IReadOnlyList<string> missing) => (Paths, Missing) = (paths, missing);

    /// <summary>Their folders; none where this machine gives none.</summary>
    public IReadOnlyList<string> Paths { get; }

    /// <summary>The controllers (memory, pids, cpu) that bound nothing here.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Periods of 100 ms in which the program wanted more time of processors than it may have; 0 where that is not counted, and once the groups have ended.</summary>
    public long ThrottledPeriods
    {
        get
        {
            const string name = "nr_throttled ";
            foreach (var path in Paths)
            {
                // Both versions have the same line in the same file.
                var line = SmallFile.Read($"{path}/cpu.stat").Split('\n').FirstOrDefault(static line => line.StartsWith(name, StringComparison.Ordinal));
                if (line is not null && long.TryParse(line.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
                {
                    return count;
                }
            }

            return 0;
        }
    }

    /// <summary>The files that the number of a process is written to, to put it in.</summary>
    public IReadOnlyList<string> ProcessesFiles => [.. Paths.Select(static path => $"{path}/cgroup.procs")];

    /// <summary>Makes them, as far as this machine and this process's rights allow.</summary>
    /// <param name="name">Unique among the programs of this process.</param>
    /// <param name="limits">The bounds.</param>
    public static ResourceGroup Create(string name, ResourceLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        var paths = new List<string>();
        var held = new HashSet<string>();
        if ((TryMake(ControllerPlaces.UnifiedParent(limits.Controllers), name) ?? TryMake(Cgroup.Parent(), name)) is { } unified)
        {
            paths.Add(unified);
            held.UnionWith(limits.Controllers.Where(controller => SmallFile.TryWrite($"{unified}/{controller}.max", Unified(controller, limits))));
        }

        foreach (var controller in limits.Controllers.Except(held))
        {
            if (ControllerPlaces.FirstVersionParent(controller) is { } parent && TryMake(parent, name) is { } path)
            {
                // Controllers may share a hierarchy.
                paths.AddRange(paths.Contains(path) ? [] : [path]);
                if (FirstVersion(controller, limits).All(setting => SmallFile.TryWrite($"{path}/{setting.File}", setting.Value)))
                {
                    held.Add(controller);
                }
            }
        }

        foreach (var path in limits.MemoryBytes is null ? [] : paths)
        {
            // It is not there where the kernel does not count what is swapped; then it bounds nothing of it.
            _ = SmallFile.TryWrite($"{path}/memory.swap.max", "0") || SmallFile.TryWrite($"{path}/memory.memsw.limit_in_bytes", Invariant(limits.MemoryBytes));
        }

        return new ResourceGroup(paths, [.. limits.Controllers.Except(held)]);
    }

    /// <summary>Kills all that is in them.</summary>
    /// <returns>Whether there are any.</returns>
    public bool Kill()
    {
        var any = false;
        foreach (var path in Paths)
        {
            any |= Cgroup.Kill(path);
        }

        return any;
    }

    /// <summary>Kills what is in them and removes them, as <see cref="Cgroup.End"/>.</summary>
    public void End()
    {
        foreach (var path in Paths)
        {
            Cgroup.End(path);
        }
    }

    private static string Unified(string controller, ResourceLimits limits) => controller switch
    {
        "memory" => Invariant(limits.MemoryBytes),
        "pids" => Invariant(limits.Tasks),
        _ => $"{Invariant((long?)limits.CpuPercent * CpuPeriod / Percent)} {Invariant(CpuPeriod)}",
    };

    private static (string File, string Value)[] FirstVersion(string controller, ResourceLimits limits) => controller switch
    {
        "memory" => [("memory.limit_in_bytes", Invariant(limits.MemoryBytes))],
        "pids" => [("pids.max", Invariant(limits.Tasks))],
        _ => [("cpu.cfs_period_us", Invariant(CpuPeriod)), ("cpu.cfs_quota_us", Invariant((long?)limits.CpuPercent * CpuPeriod / Percent))],
    };

    private static string? TryMake(string parent, string name)
    {
        try
        {
            return File.Exists($"{parent}/cgroup.procs") ? Cgroup.Make(parent, name) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Invariant(long? number) => string.Create(CultureInfo.InvariantCulture, $"{number}");
}
