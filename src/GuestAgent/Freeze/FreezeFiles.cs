using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The step of a freeze that stops the file systems: the plan, marker, memory, log, and each file system in its turn.</summary>
/// <param name="platform">The kernel.</param>
/// <param name="engine">What freezes one, and thaws all.</param>
/// <param name="marker">The note for a successor.</param>
/// <param name="log">The log, which is held while anything is frozen.</param>
internal sealed class FreezeFiles(IFreezePlatform platform, FreezeEngine engine, FreezeMarker marker, AgentLog log)
{
    // Bounds of the marker and of a report.
    private const int MaxTargets = 1000;

    /// <summary>Most results of file systems in a report.</summary>
    public const int MaxResults = 300;

    /// <summary>Freezes those of an order.</summary>
    /// <param name="order">Which.</param>
    /// <param name="mustStop">Whether the freeze is called off; asked all the time.</param>
    /// <param name="report">Gets the results.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Freeze(FreezeOrder order, Func<bool> mustStop, FreezeReport report)
    {
        // The mounts are looked for behind the hooks, which may have mounted or unmounted.
        engine.Step = "the list of mounts";
        var table = platform.ReadMounts();
        var plan = FreezePlan.Make(table, order.Mounts, platform.BackingFiles, order.IgnoreUnknown);
        if (plan.Targets.Count == 0 && order.MayBeEmpty)
        {
            return null;
        }

        var failure = plan.Targets.Count is 0 or > MaxTargets
            ? $"{plan.Targets.Count} file systems can be frozen; between 1 and {MaxTargets} are possible"
            : table.Containing(marker.Path) is { } home && plan.Targets.Any(target => target.Main.Device == home.Device)
                ? $"{marker.Path} lies on a file system that is to be frozen ({home.Path}); the agent needs /run on a tmpfs" : null;
        failure ??= Prepare(plan) ?? FreezeAll(plan, mustStop, report, order.MayBeEmpty);
        report.Mounts.AddRange(plan.Skipped.Take(MaxResults - Math.Min(MaxResults, report.Mounts.Count)));
        return failure;
    }

    private string? Prepare(FreezePlan plan)
    {
        try
        {
            marker.Write(plan.Targets);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{marker.Path} cannot be written, and without it a restarted agent would not thaw";
        }

        if (platform.LockMemory() is not 0 and int error)
        {
            log.Warning($"the agent's memory cannot be locked (error {error}); raise LimitMEMLOCK in its unit");
        }

        log.Info($"freezing {plan.Targets.Count} file systems");
        log.Hold();
        return null;
    }

    private string? FreezeAll(FreezePlan plan, Func<bool> mustStop, FreezeReport report, bool mayBeNone)
    {
        var frozen = 0;
        foreach (var target in plan.Targets)
        {
            if (mustStop())
            {
                return "called off";
            }

            var result = engine.Freeze(target);
            frozen += result.Outcome == MountOutcome.Frozen ? 1 : 0;
            if (report.Mounts.Count < MaxResults || result.Outcome == MountOutcome.Failed)
            {
                report.Mounts.Add(result);
            }

            if (result.Outcome == MountOutcome.Failed)
            {
                return $"{result.Mount} could not be frozen: {result.Reason}";
            }
        }

        return frozen > 0 || mayBeNone ? null : "none of the file systems can be frozen";
    }
}
