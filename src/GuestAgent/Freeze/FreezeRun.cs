using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The steps on the way to rest in their order, and those back in the reverse: inhibitors, hooks, the gate, marker, memory, log, file systems.
/// The gate is shut behind the hooks, which talk to programs, and before the file systems, as a process that waits for one cannot be stopped.
/// </summary>
internal sealed class FreezeRun
{
    // A hook that is killed has 2 s to go.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(3);
    private readonly FreezeHooks _hooks;
    private readonly FreezeEngine _engine;
    private readonly FreezeFiles _files;
    private readonly IFreezePlatform _platform;
    private readonly FreezeMarker _marker;
    private readonly ProcessGate _gate;
    private readonly SystemInhibitor _inhibitor;
    private readonly AgentLog _log;
    private readonly Lock _finishing = new();
    private Func<bool> _mustStop = static () => false;
    private volatile DetachableWork? _work;
    private string? _kind;

    /// <summary>Makes it.</summary>
    /// <param name="platform">The kernel.</param>
    /// <param name="marker">The note for a successor.</param>
    /// <param name="hooks">The hooks as the configuration has them now.</param>
    /// <param name="gate">The gate.</param>
    /// <param name="inhibitor">What keeps the guest from going down.</param>
    /// <param name="log">The log, which is held while anything is frozen.</param>
    public FreezeRun(
        IFreezePlatform platform, FreezeMarker marker, Func<HookFolder> hooks, ProcessGate gate, SystemInhibitor inhibitor, AgentLog log)
    {
        (_platform, _marker, _gate, _inhibitor, _log) = (platform, marker, gate, inhibitor, log);
        (_engine, _hooks) = (new FreezeEngine(platform), new FreezeHooks(hooks, log));
        _files = new FreezeFiles(platform, _engine, marker, log);
    }

    /// <summary>Where the thread of a freeze that is over still waits for the kernel; null if it waits nowhere.</summary>
    public string? StuckIn => _work is { IsAway: true } ? _engine.Step : null;

    /// <summary>Whether every other process stands still.</summary>
    public bool IsGateShut => _gate.IsShut;

    /// <summary>Resets the run.</summary>
    /// <param name="mustStop">Whether the freeze is called off; asked all the time.</param>
    public void Begin(Func<bool> mustStop)
    {
        _mustStop = mustStop;
        _engine.Begin();
        _gate.Begin();
    }

    /// <summary>
    /// Runs hooks and freezes. After a failure <see cref="Thaw"/> and <see cref="Finish"/> are due, as after a success. Comes back
    /// soon once the freeze is called off, even if the kernel hangs: see <see cref="StuckIn"/>.
    /// </summary>
    /// <param name="order">What is brought to rest.</param>
    /// <param name="left">How much of the lease is left.</param>
    /// <param name="report">Gets the results.</param>
    /// <returns>Why it failed, or null.</returns>
    public string? Freeze(FreezeOrder order, Func<TimeSpan> left, RestReport report)
    {
        string? failure = null;
        var own = new RestReport();
        var work = DetachableWork.Start(
            () => failure = FreezeNow(order, left, own),
            () =>
            {
                _engine.End();
                Finish(new RestReport());
                _ = _marker.Remove();
            });
        _work = work;
        if (!work.Wait(_mustStop, s_patience))
        {
            return $"stuck in {_engine.Step}";
        }

        report.Add(own);
        return failure;
    }

    /// <summary>Thaws the file systems, and nothing else. From any thread.</summary>
    public IReadOnlyList<MountResult> Thaw() => _engine.End();

    /// <summary>Notes a renewed lease for a successor, where it matters to one.</summary>
    /// <param name="left">How long it is from now.</param>
    public void Note(TimeSpan left)
    {
        try
        {
            if (_gate.IsShut)
            {
                _marker.Write(left);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _log.Warning($"{_marker.Path} cannot be written: a successor of this agent would open the gate too early");
        }
    }

    /// <summary>What follows when the file systems are thawed. A freeze that is stuck does it once more when it comes back.</summary>
    /// <param name="report">Gets the results.</param>
    public void Finish(RestReport report)
    {
        lock (_finishing)
        {
            var wasShut = _gate.IsShut;
            // Also where it was not shut altogether.
            var failures = _gate.Open();
            if (wasShut || failures.Count > 0)
            {
                _ = report.Take("gate", mandatory: true, () => failures.Count == 0 ? (StepOutcome.Done, "") : (StepOutcome.Failed, $"cannot be thawed: {string.Join(", ", failures)}"));
                failures.ToList().ForEach(failure => _log.Error($"control group {failure} cannot be thawed"));
            }

            // While a freeze is stuck in the kernel, a successor may find its file system frozen after all.
            var isUndone = StuckIn is null;
            if (isUndone && _hooks.AreDue)
            {
                _ = BeginMarker();
            }

            _platform.UnlockMemory();
            _log.Release();
            _ = report.Take("hooks", mandatory: false, () => ThawHooks(report.Freeze));
            if (isUndone && !_marker.Remove())
            {
                _log.Warning($"{_marker.Path} cannot be removed");
            }

            if (_inhibitor.Session != 0)
            {
                _inhibitor.Release();
            }
        }
    }

    /// <summary>Thaws all file systems that could be frozen, also those that another program froze.</summary>
    public IReadOnlyList<MountResult> ForceAll()
    {
        var plan = FreezePlan.Make(_platform.ReadMounts(), [], _platform.BackingFiles);
        return [.. plan.Targets.Reverse().Take(FreezeFiles.MaxResults).Select(_engine.Force)];
    }

    /// <summary>The thaw hooks, which a predecessor that was killed did not run.</summary>
    /// <param name="now">Whether to run them, else at <see cref="Finish"/>.</param>
    public void HooksAfterRecovery(bool now)
    {
        var note = _marker.Read();
        _kind = note.Kind;
        _hooks.MakeDue(_kind);
        if (now)
        {
            _hooks.Thaw(new FreezeReport());
            // What could not be looked for is left to the next one.
            _ = note.Devices.Count + note.Groups.Count == 0 && _marker.Remove();
        }
    }

    private string? BeginMarker()
    {
        try
        {
            _marker.Begin(_kind);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{_marker.Path} cannot be written, and without it a restarted agent would undo nothing";
        }
    }

    private (StepOutcome Outcome, string Text) ThawHooks(FreezeReport report)
    {
        var before = report.Hooks.Count;
        _hooks.Thaw(report);
        var ran = report.Hooks.Skip(before).ToList();
        return ran.Find(static hook => hook.ExitCode != 0 || hook.TimedOut) is { } bad ? (StepOutcome.Failed, $"hook {bad.Name} ended with code {bad.ExitCode}")
            : (ran.Count == 0 ? StepOutcome.Skipped : StepOutcome.Done, "");
    }

    private string? FreezeNow(FreezeOrder order, Func<TimeSpan> left, RestReport report)
    {
        _kind = order.KindName;
        if (BeginMarker() is { } reason)
        {
            return reason;
        }

        if (order.IsSnapshot)
        {
            _engine.Step = "the inhibitor of logind";
            _ = report.Take("inhibitors", mandatory: false, () => _inhibitor.Take(out var isSkipped) is not { } missing ? (StepOutcome.Done, "")
                : (isSkipped ? StepOutcome.Skipped : StepOutcome.Failed, missing));
        }

        var early = report.Take("hooks", () =>
            _hooks.Freeze(order.KindName, step => _engine.Step = step, _mustStop, () => left() == TimeSpan.Zero, report.Freeze) ?? (_mustStop() ? "called off" : null));
        if (early is null && order.Gate)
        {
            _engine.Step = "the gate";
            early = report.Take("gate", mandatory: true, () => CloseGate(left));
        }

        return early ?? (order.FileSystems ? report.Take("file systems", () => _files.Freeze(order, _mustStop, report.Freeze)) : null);
    }

    private (StepOutcome Outcome, string Text) CloseGate(Func<TimeSpan> left)
    {
        // What takes the log is stopped.
        _log.Hold();
        try
        {
            _marker.Write(left());
            return _gate.Close(_marker.Write, _inhibitor.Session, _mustStop, out var done) is { } failure ? (StepOutcome.Failed, $"the gate: {failure}") : (StepOutcome.Done, done);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (StepOutcome.Failed, $"{_marker.Path} cannot be written, and without it a restarted agent would not open the gate");
        }
    }
}
