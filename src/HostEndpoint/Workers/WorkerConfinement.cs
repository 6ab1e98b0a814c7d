using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Host.Workers;

/// <summary>Which measures really hold for a worker, as the kernel answered when they were taken.</summary>
/// <param name="User">The worker's user and group; null for those of this program.</param>
/// <param name="Gaps">The measures that do not hold, with the reason of each; all others hold.</param>
public sealed record WorkerConfinement(uint? User, IReadOnlyList<WorkerGap> Gaps)
{
    private static readonly (ConfinementMeasure Own, WorkerMeasure Measure, string What)[] s_own =
    [
        (ConfinementMeasure.Descriptors, WorkerMeasure.Descriptors, "the worker may have descriptors that it was not given"),
        (ConfinementMeasure.ResourceLimits, WorkerMeasure.ResourceLimits, "the worker's own bounds are not all set"),
        (ConfinementMeasure.EmptyRoot, WorkerMeasure.EmptyRoot, "the worker has the host's root folder"),
        (ConfinementMeasure.User, WorkerMeasure.User, "the worker has this program's user"),
        (ConfinementMeasure.Capabilities, WorkerMeasure.Capabilities, "the worker has this program's capabilities"),
        (ConfinementMeasure.NoNewPrivileges, WorkerMeasure.NoNewPrivileges, "the worker can get privileges"),
        (ConfinementMeasure.Undumpable, WorkerMeasure.Undumpable, "the worker's memory can be dumped"),
        (ConfinementMeasure.Landlock, WorkerMeasure.Landlock, "landlock keeps no file from the worker"),
        (ConfinementMeasure.SystemCallFilter, WorkerMeasure.SystemCalls, "the worker's system calls are not filtered"),
    ];

    private static readonly Dictionary<string, (WorkerMeasure Measure, string What)> s_controllers = new()
    {
        ["memory"] = (WorkerMeasure.Memory, "memory"),
        ["pids"] = (WorkerMeasure.Tasks, "threads"),
        ["cpu"] = (WorkerMeasure.ProcessorTime, "time of processors"),
    };

    /// <summary>Whether a measure holds.</summary>
    public bool Holds(WorkerMeasure measure) => Gaps.All(gap => gap.Measure != measure);

    /// <summary>Adds what the worker has told of itself, and what no control group bounds, to what could not be given to it from the beginning.</summary>
    /// <param name="user">The worker's user; null if it has none of its own.</param>
    /// <param name="known">What is known not to hold, and why.</param>
    /// <param name="report">What the worker has told.</param>
    /// <param name="missing">The controllers that bound nothing.</param>
    internal static WorkerConfinement Of(uint? user, IReadOnlyList<WorkerGap> known, ConfinementReport report, IReadOnlyList<string> missing)
    {
        var gaps = new List<WorkerGap>(known);
        foreach (var (own, measure, what) in s_own)
        {
            if (!report.Holds(own) && known.All(gap => gap.Measure != measure))
            {
                gaps.Add(new WorkerGap(measure, $"{what}: {(report.ErrorOf(own) is { } error ? Errno.Describe(error) : "it was not told to")}"));
            }
        }

        foreach (var (measure, what) in missing.Select(static name => s_controllers[name]))
        {
            // The kernel counts threads by user.
            var instead = measure == WorkerMeasure.Memory ? "; a limit of its data does" : measure == WorkerMeasure.Tasks && user is not null ? "; a limit of its user does" : "";
            gaps.Add(new WorkerGap(measure, $"no control group of this host bounds the {what} of the worker{instead}"));
        }

        return new WorkerConfinement(user, gaps);
    }
}
