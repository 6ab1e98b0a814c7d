using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The steps of one freeze in their order, and of its end in the reverse: hooks, marker, memory, log, file systems.</summary>
/// <param name="platform">The kernel.</param>
/// <param name="marker">The note for a successor.</param>
/// <param name="hooks">The hooks as the configuration has them now.</param>
/// <param name="log">The log, which is held while anything is frozen.</param>
internal sealed class FreezeRun(IFreezePlatform platform, FreezeMarker marker, Func<HookFolder> hooks, AgentLog log)
{
    // Bounds of the marker and of a report.
    private const int MaxTargets = 1000;
    private const int MaxResults = 300;

    private readonly FreezeEngine _engine = new(platform);
    private readonly Stack<string> _hooksDue = [];
    private Func<bool> _mustStop = static () => false;
    private HookFolder? _hooks;

    /// <summary>Begins anew.</summary>
    /// <param name="mustStop">Whether the freeze is called off; asked all the time.</param>
    public void Begin(Func<bool> mustStop)
    {
        _mustStop = mustStop;
        _engine.Begin();
    }

    /// <summary>Runs hooks and freezes. After a failure <see cref="Thaw"/> and <see cref="Finish"/> are due, as after a success.</summary>
    /// <param name="mounts">Mount points, or none for all.</param>
    /// <param name="left">How much of the lease is left.</param>
    /// <param name="report">Gets the results.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Freeze(IReadOnlyCollection<string> mounts, Func<TimeSpan> left, FreezeReport report)
    {
        MountTable table = platform.ReadMounts();
        FreezePlan plan = FreezePlan.Make(table, mounts, platform.BackingFiles);
        string? failure = plan.Targets.Count is 0 or > MaxTargets
            ? $"{plan.Targets.Count} file systems can be frozen; between 1 and {MaxTargets} are possible"
            : table.Containing(marker.Path) is { } home && plan.Targets.Any(target => target.Main.Device == home.Device)
                ? $"{marker.Path} lies on a file system that is to be frozen ({home.Path}); the agent needs /run on a tmpfs" : null;
        failure ??= RunHooks(report, left) ?? Prepare(plan) ?? FreezeAll(plan, report);
        report.Mounts.AddRange(plan.Skipped.Take(MaxResults - Math.Min(MaxResults, report.Mounts.Count)));
        return failure;
    }

    /// <summary>Thaws the file systems, and nothing else. From any thread.</summary>
    public IReadOnlyList<MountResult> Thaw() => _engine.End();

    /// <summary>What follows when the file systems are thawed.</summary>
    /// <param name="report">Gets the hooks' results.</param>
    public void Finish(FreezeReport report)
    {
        if (!marker.Remove())
        {
            log.Warning($"{marker.Path} cannot be removed");
        }
        platform.UnlockMemory();
        log.Release();
        while (_hooksDue.TryPop(out string? hook))
        {
            report.Hooks.Add(RunHook(hook, "thaw", static () => false));
        }
    }

    /// <summary>Thaws all file systems that could be frozen, whoever froze them.</summary>
    public IReadOnlyList<MountResult> ForceAll()
    {
        FreezePlan plan = FreezePlan.Make(platform.ReadMounts(), [], platform.BackingFiles);
        return [.. plan.Targets.Reverse().Take(MaxResults).Select(_engine.Force)];
    }

    /// <summary>The thaw hooks, which a predecessor that was killed did not run.</summary>
    public void HooksAfterRecovery()
    {
        _hooks = hooks();
        foreach (string hook in _hooks.List().Reverse())
        {
            RunHook(hook, "thaw", static () => false);
        }
    }

    private string? RunHooks(FreezeReport report, Func<TimeSpan> left)
    {
        _hooks = hooks();
        foreach (string hook in _hooks.List())
        {
            _hooksDue.Push(hook);
            HookResult result = RunHook(hook, "freeze", () => _mustStop() || left() == TimeSpan.Zero);
            report.Hooks.Add(result);
            if (result.ExitCode != 0 || result.TimedOut)
            {
                return $"hook {result.Name} {(result.TimedOut ? "took too long" : $"ended with code {result.ExitCode}")}";
            }
        }
        return null;
    }

    private HookResult RunHook(string hook, string argument, Func<bool> mustStop)
    {
        HookResult result = _hooks!.Run(hook, argument, mustStop);
        if (result.ExitCode != 0 || result.TimedOut)
        {
            log.Warning($"hook {result.Name} {argument}: code {result.ExitCode}{(result.TimedOut ? ", killed" : "")}: {result.Output}");
        }
        return result;
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

    private string? FreezeAll(FreezePlan plan, FreezeReport report)
    {
        int frozen = 0;
        foreach (FreezeTarget target in plan.Targets)
        {
            if (_mustStop())
            {
                return "called off";
            }
            MountResult result = _engine.Freeze(target);
            frozen += result.Outcome == MountOutcome.Frozen ? 1 : 0;
            if (report.Mounts.Count < MaxResults || result.Outcome is MountOutcome.Failed or MountOutcome.AlreadyFrozen)
            {
                report.Mounts.Add(result);
            }
            if (result.Outcome is MountOutcome.Failed or MountOutcome.AlreadyFrozen)
            {
                return $"{result.Mount} could not be frozen: {result.Reason}";
            }
        }
        return frozen > 0 ? null : "none of the file systems can be frozen";
    }
}
