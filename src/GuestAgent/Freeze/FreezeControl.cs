using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The way to rest, for a freeze and for a snapshot, and the ways back, of which each works from every state: the
/// host's thaw, the end of the lease, the end of the agent. One lease holds all of it. Thread-safe.
/// </summary>
internal sealed class FreezeControl : IDisposable
{
    private readonly FreezeRun _run;
    private readonly Func<UInt128?> _session;
    private readonly AgentLog _log;
    private readonly TimeProvider _time;
    private readonly FreezeStates _states;

    /// <summary>Makes it.</summary>
    /// <param name="run">What freezes and thaws.</param>
    /// <param name="session">The session whose link is up now, or null.</param>
    /// <param name="setState">Sets the state word of the heartbeats.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock of the lease.</param>
    public FreezeControl(
        FreezeRun run, Func<UInt128?> session, Action<StateWord, DateTimeOffset?> setState, AgentLog log, TimeProvider time)
    {
        (_run, _session, _log, _time) = (run, session, log, time);
        _states = new FreezeStates(run, session, why => _ = EndAsync(why), setState, time);
    }

    /// <summary>Why nothing may be brought to rest, and other calls must wait, besides a freeze; null if there is no reason.</summary>
    public Func<string?> Hindrance { get; set; } = static () => null;

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction => Hindrance() ?? _states.Restriction;

    /// <summary>Whether what is at rest, or on its way to it, is so for a snapshot.</summary>
    public bool IsPrepared => _states.IsPrepared;

    /// <summary>Whether the file systems are thawed and the rest waits: for a repair, or for the end of the lease.</summary>
    public bool IsHeld => _states.IsHeld;

    /// <summary>Whether every other process stands still, and stays so until what is held goes on.</summary>
    public bool IsGateHeld => _states.IsHeld && _run.IsGateShut;

    /// <summary>How the last freeze ended; empty if there was none.</summary>
    public string LastEnd => _states.LastEnd;

    /// <summary>Brings the guest to rest, or says why it is not.</summary>
    /// <param name="order">What is brought to rest.</param>
    /// <param name="length">How long the lease is.</param>
    /// <param name="linkLoss">How long its owner may be gone.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/> for a path that is no mount point, <see cref="ChannelError.FailedPrecondition"/> while frozen.</exception>
    public Task<RestReport> BeginAsync(FreezeOrder order, TimeSpan length, TimeSpan linkLoss)
    {
        if (Hindrance() is { } hindrance)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, hindrance);
        }

        _states.BeginFreeze(order, _session());
        try
        {
            _states.Lease.Start(length, linkLoss);
            // The freeze waits for storage and hooks as long as they take: no thread of the pool is held by it.
            return OwnThread.RunAsync(() => Freeze(order));
        }
        catch (Exception e)
        {
            return Task.FromResult(Undo(new RestReport(), Reason(e)));
        }
    }

    /// <summary>Renews the lease; the calling session holds it from now on. False unless there is one.</summary>
    /// <param name="length">How long it is from now.</param>
    public bool TryRenew(TimeSpan length)
    {
        if (!_states.TryRenew(length, _session()))
        {
            return false;
        }

        _run.Note(length);
        _states.Announce();
        return true;
    }

    /// <summary>A report of what is frozen.</summary>
    public FreezeReport Report() => _states.Report();

    /// <summary>Completes a report with the state, the lease and the last end.</summary>
    public FreezeReport Fill(FreezeReport report) => _states.Fill(report);

    /// <summary>Thaws all file systems that could be frozen, also those that another program froze.</summary>
    public IReadOnlyList<MountResult> ForceAll() => _run.ForceAll();

    /// <summary>
    /// Thaws the file systems and leaves the rest as it is, for the session that calls. The lease goes on; <see cref="EndAsync"/> does the rest.
    /// What is on its way to rest or back from it is ended.
    /// </summary>
    /// <param name="report">Gets the results.</param>
    /// <returns>Whether anything is held now.</returns>
    public async Task<bool> HoldAsync(RestReport report)
    {
        if (!_states.TryHold(_session()))
        {
            _ = await EndAsync("the guest is a copy, and is repaired").ConfigureAwait(false);
            return false;
        }

        Thawed(await OwnThread.RunAsync(ThawAll).ConfigureAwait(false), report);
        Safely(_states.Announce);
        return true;
    }

    /// <summary>Ends what a predecessor that was killed left: its file systems are thawed by now.</summary>
    /// <param name="left">How much of the lease of a gate that is still shut is left; zero if it is open.</param>
    public void Recover(TimeSpan left)
    {
        Safely(() => _run.HooksAfterRecovery(now: left == TimeSpan.Zero));
        if (left > TimeSpan.Zero)
        {
            _states.BeginHeld();
            _states.Lease.Start(left, left);
            Safely(_states.Announce);
            return;
        }

        _states.LastEnd = $"the agent ended while frozen, and the next one thawed at {_time.GetUtcNow():u}";
    }

    /// <summary>Thaws for a reason of the agent's own; null if nothing is frozen, else the report once everything is thawed.</summary>
    public async Task<RestReport?> EndAsync(string why)
    {
        var (was, ended) = _states.BeginThaw(why);
        if (was == FreezeState.Thawed)
        {
            return null;
        }

        if (was == FreezeState.Frozen)
        {
            // File systems first and on this thread, which may be the lease's own.
            var thawed = ThawAll();
            try
            {
                _ = OwnThread.RunAsync(() => Finish(thawed));
            }
            catch (OutOfMemoryException)
            {
                Finish(thawed);
            }
        }
        else if (was == FreezeState.Freezing)
        {
            // The file systems frozen so far are thawed, which also wakes programs that wait for it; the freezing thread does the rest
            // when it comes back.
            ThawAll();
        }

        return await ended.ConfigureAwait(false);
    }

    /// <summary>Ends the lease's thread.</summary>
    public void Dispose() => _states.Dispose();

    private RestReport Freeze(FreezeOrder order)
    {
        var report = new RestReport();
        string? failure;
        try
        {
            _states.Announce();
            failure = _run.Freeze(order, () => _states.Lease.Left, report);
        }
        catch (ChannelException e)
        {
            Undo(report, e.Message);
            throw;
        }
        catch (Exception e)
        {
            failure = Reason(e);
        }

        (var isFrozen, failure) = _states.EndFreeze(failure, report.Freeze);
        if (!isFrozen)
        {
            return Undo(report, failure);
        }

        Safely(_states.Announce);
        _states.Fill(report.Freeze);
        return report;
    }

    /// <summary>The way back of a freeze that has not become one.</summary>
    /// <param name="report">What was done so far.</param>
    /// <param name="failure">Why; null if there was nothing to freeze.</param>
    private RestReport Undo(RestReport report, string? failure)
    {
        _states.CallOff(failure ?? "there was nothing to freeze");
        ThawAll();
        foreach (var result in report.Freeze.Mounts)
        {
            if (result.Outcome == MountOutcome.Frozen)
            {
                (result.Outcome, result.Reason) = (MountOutcome.Thawed, "frozen, and thawed again");
            }
        }

        var back = Finish([]);
        report.Freeze.Hooks.AddRange(back.Freeze.Hooks);
        report.Steps.AddRange(back.Steps.Where(static step => step.Outcome == StepOutcome.Failed));
        report.Freeze.Failure = failure ?? "";
        _states.Fill(report.Freeze);
        return report;
    }

    private IReadOnlyList<MountResult> ThawAll()
    {
        IReadOnlyList<MountResult> thawed = [];
        Safely(() => thawed = _run.Thaw());
        return thawed;
    }

    /// <summary>The steps after the thaw of the file systems. Even if one fails, the state is thawed at the end.</summary>
    private RestReport Finish(IReadOnlyList<MountResult> thawed)
    {
        var report = new RestReport();
        Thawed(thawed, report);
        var why = _states.DatedReason();
        Safely(_states.Lease.Stop);
        Safely(() => _run.Finish(report));
        Safely(() => _log.Warning($"not frozen any more: {why}"));
        var ended = _states.EndThaw(why);
        Safely(_states.Announce);
        _states.Fill(report.Freeze);
        ended.TrySetResult(report);
        return report;
    }

    private static void Thawed(IReadOnlyList<MountResult> thawed, RestReport report)
    {
        report.Freeze.Mounts.AddRange(thawed);
        if (thawed.Count > 0)
        {
            _ = report.Take("file systems", mandatory: true, () => thawed.FirstOrDefault(static result => result.Outcome == MountOutcome.Failed) is { } bad
                ? (StepOutcome.Failed, $"{bad.Mount}: {bad.Reason}") : (StepOutcome.Done, ""));
        }
    }

    private void Safely(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            _log.Error($"a step of the way back from a freeze failed: {Reason(e)}");
        }
    }

    private static string Reason(Exception e) => e is ChannelException ? e.Message : $"{e.GetType().Name}: {e.Message}";
}
