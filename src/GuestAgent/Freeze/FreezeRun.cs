using System.Collections.Concurrent;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Mounts;
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

    // A hook that is killed has 2 s to go.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_hookMargin = TimeSpan.FromSeconds(5);
    private readonly FreezeEngine _engine = new(platform);
    private readonly ConcurrentStack<string> _hooksDue = [];
    private readonly Lock _finishing = new();
    private Func<bool> _mustStop = static () => false;
    private HookFolder? _hooks;
    private volatile DetachableWork? _work;

    /// <summary>Where the thread of a freeze that is over still waits for the kernel; null if it waits nowhere.</summary>
    public string? StuckIn => _work is { IsAway: true } ? _engine.Step : null;

    /// <summary>Resets the run.</summary>
    /// <param name="mustStop">Whether the freeze is called off; asked all the time.</param>
    public void Begin(Func<bool> mustStop)
    {
        _mustStop = mustStop;
        _engine.Begin();
    }

    /// <summary>
    /// Runs hooks and freezes. After a failure <see cref="Thaw"/> and <see cref="Finish"/> are due, as after a success. Comes back
    /// soon once the freeze is called off, even if the kernel hangs: see <see cref="StuckIn"/>.
    /// </summary>
    /// <param name="mounts">Mount points, or none for all.</param>
    /// <param name="left">How much of the lease is left.</param>
    /// <param name="ignoreUnknown">Whether unknown mount points, and an empty plan, are no failure.</param>
    /// <param name="report">Gets the results.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Freeze(IReadOnlyCollection<string> mounts, Func<TimeSpan> left, bool ignoreUnknown, FreezeReport report)
    {
        string? failure = null;
        var own = new FreezeReport();
        var work = DetachableWork.Start(
            () => failure = FreezeNow(mounts, left, ignoreUnknown, own),
            () =>
            {
                _engine.End();
                Finish(new FreezeReport());
                _ = marker.Remove();
            });
        _work = work;
        if (!work.Wait(_mustStop, s_patience))
        {
            return $"stuck in {_engine.Step}";
        }

        report.MergeFrom(own);
        return failure;
    }

    /// <summary>Thaws the file systems, and nothing else. From any thread.</summary>
    public IReadOnlyList<MountResult> Thaw() => _engine.End();

    /// <summary>What follows when the file systems are thawed. A freeze that is stuck does it once more when it comes back.</summary>
    /// <param name="report">Gets the hooks' results.</param>
    public void Finish(FreezeReport report)
    {
        lock (_finishing)
        {
            // While a freeze is stuck in the kernel, a successor may find its file system frozen after all.
            if (StuckIn is null && !marker.Remove())
            {
                log.Warning($"{marker.Path} cannot be removed");
            }

            platform.UnlockMemory();
            log.Release();
            while (_hooksDue.TryPop(out var hook))
            {
                ThawHook(hook, report);
            }
        }
    }

    /// <summary>Thaws all file systems that could be frozen, also those that another program froze.</summary>
    public IReadOnlyList<MountResult> ForceAll()
    {
        var plan = FreezePlan.Make(platform.ReadMounts(), [], platform.BackingFiles);
        return [.. plan.Targets.Reverse().Take(MaxResults).Select(_engine.Force)];
    }

    /// <summary>The thaw hooks, which a predecessor that was killed did not run.</summary>
    public void HooksAfterRecovery()
    {
        _hooks = hooks();
        foreach (var hook in _hooks.List().Reverse())
        {
            ThawHook(hook, new FreezeReport());
        }
    }

    private string? FreezeNow(IReadOnlyCollection<string> mounts, Func<TimeSpan> left, bool ignoreUnknown, FreezeReport report)
    {
        // The mounts are looked for behind the hooks, which may have mounted or unmounted.
        if ((RunHooks(report, left) ?? (_mustStop() ? "called off" : null)) is { } early)
        {
            return early;
        }

        _engine.Step = "the list of mounts";
        var table = platform.ReadMounts();
        var plan = FreezePlan.Make(table, mounts, platform.BackingFiles, ignoreUnknown);
        if (plan.Targets.Count == 0 && ignoreUnknown)
        {
            return null;
        }

        var failure = plan.Targets.Count is 0 or > MaxTargets
            ? $"{plan.Targets.Count} file systems can be frozen; between 1 and {MaxTargets} are possible"
            : table.Containing(marker.Path) is { } home && plan.Targets.Any(target => target.Main.Device == home.Device)
                ? $"{marker.Path} lies on a file system that is to be frozen ({home.Path}); the agent needs /run on a tmpfs" : null;
        failure ??= Prepare(plan) ?? FreezeAll(plan, report, ignoreUnknown);
        report.Mounts.AddRange(plan.Skipped.Take(MaxResults - Math.Min(MaxResults, report.Mounts.Count)));
        return failure;
    }

    private string? RunHooks(FreezeReport report, Func<TimeSpan> left)
    {
        _engine.Step = "the list of the hooks";
        _hooks = hooks();
        IReadOnlyList<string> list;
        try
        {
            list = _hooks.List();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the hooks cannot be listed: {e.Message}";
        }

        foreach (var hook in list)
        {
            if (_mustStop())
            {
                return "called off";
            }

            _engine.Step = $"hook {hook}";
            _hooksDue.Push(hook);
            var result = RunHook(hook, "freeze", () => _mustStop() || left() == TimeSpan.Zero);
            report.Hooks.Add(result);
            if (result.ExitCode != 0 || result.TimedOut)
            {
                return $"hook {result.Name} {(result.TimedOut ? "took too long" : $"ended with code {result.ExitCode}")}";
            }
        }

        return null;
    }

    // A program on a file system that does not answer cannot even be started: there is no wait for it.
    private void ThawHook(string hook, FreezeReport report)
    {
        var result = new HookResult();
        try
        {
            var work = DetachableWork.Start(() => result = RunHook(hook, "thaw", static () => false), static () => { });
            result = work.Wait(static () => true, _hooks!.Limit + s_hookMargin) ? result
                : new HookResult { Name = LogText.Escape(Path.GetFileName(hook), 255), TimedOut = true, Output = "it cannot be started: its file system does not answer" };
        }
        catch (Exception e)
        {
            log.Warning($"hook {hook} thaw: {e.Message}");
        }

        report.Hooks.Add(result);
    }

    private HookResult RunHook(string hook, string argument, Func<bool> mustStop)
    {
        var result = _hooks!.Run(hook, argument, mustStop);
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

    private string? FreezeAll(FreezePlan plan, FreezeReport report, bool mayBeNone)
    {
        var frozen = 0;
        foreach (var target in plan.Targets)
        {
            if (_mustStop())
            {
                return "called off";
            }

            var result = _engine.Freeze(target);
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
