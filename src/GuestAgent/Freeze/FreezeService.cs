using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// freeze.Freeze, Thaw, Renew and Status: the way to frozen, and the ways back, of which each works from every state: the
/// host's thaw, the end of the lease, the end of the agent. Thread-safe.
/// </summary>
internal sealed class FreezeService : IAgentService, IDisposable
{
    private readonly FreezeOptions _options;
    private readonly FreezeRun _run;
    private readonly Func<UInt128?> _session;
    private readonly AgentLog _log;
    private readonly TimeProvider _time;
    private readonly FreezeStates _states;

    /// <summary>Makes the service.</summary>
    /// <param name="options">Its bounds.</param>
    /// <param name="run">What freezes and thaws.</param>
    /// <param name="session">The session whose link is up now, or null.</param>
    /// <param name="setState">Sets the state word of the heartbeats.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock of the lease.</param>
    public FreezeService(
        FreezeOptions options, FreezeRun run, Func<UInt128?> session, Action<StateWord, DateTimeOffset?> setState, AgentLog log, TimeProvider time)
    {
        (_options, _run, _session, _log, _time) = (options, run, session, log, time);
        _states = new FreezeStates(run, session, why => _ = EndAsync(why), setState, time);
    }

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Restriction = () => Restriction;
        gate.Unary(FreezeMethods.Freeze, (request, _) => FreezeAsync(request));
        gate.Unary(FreezeMethods.Thaw, (request, _) => ThawAsync(request));
        gate.Unary(FreezeMethods.Renew, (request, _) => ValueTask.FromResult(Renew(request)));
        gate.Unary(FreezeMethods.Status, (_, _) => ValueTask.FromResult(Status()));
    }

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction => _states.Restriction;

    /// <summary>Freezes, or says why nothing is frozen.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for times out of range, <see cref="ChannelError.NotFound"/> for a path that is no mount point, <see cref="ChannelError.FailedPrecondition"/> while frozen.</exception>
    /// <param name="request">What to freeze, and for how long.</param>
    /// <param name="ignoreUnknown">Whether unknown mount points are skipped, and an empty plan is no failure.</param>
    public ValueTask<FreezeReport> FreezeAsync(FreezeRequest request, bool ignoreUnknown = false)
    {
        var length = CheckLease(request.LeaseMs);
        var linkLoss = request.LinkLossMs == 0 ? length : TimeSpan.FromMilliseconds(request.LinkLossMs);
        if (request.Mounts.Count > FreezeOptions.MaxAskedMounts)
        {
            throw Refused(ChannelError.InvalidArgument, $"{request.Mounts.Count} mounts; at most {FreezeOptions.MaxAskedMounts} can be named, none stands for all");
        }

        _states.BeginFreeze(_session());
        try
        {
            _states.Lease.Start(length, linkLoss);
            // The freeze waits for storage and hooks as long as they take: no thread of the pool is held by it.
            return new ValueTask<FreezeReport>(OnThread(() => Freeze([.. request.Mounts], ignoreUnknown)));
        }
        catch (Exception e)
        {
            return ValueTask.FromResult(Undo(new FreezeReport(), Reason(e)));
        }
    }

    /// <summary>Thaws; with force all that can be thawed, without an error.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: nothing is frozen, with how the last freeze ended.</exception>
    public async ValueTask<FreezeReport> ThawAsync(ThawRequest request)
    {
        var report = await (await OnThread(() => EndAsync("the host thawed it")).ConfigureAwait(false)).ConfigureAwait(false);
        if (request.Force)
        {
            report ??= _states.Fill(new FreezeReport());
            report.Mounts.AddRange(await OnThread(_run.ForceAll).ConfigureAwait(false));
        }

        return report ?? throw Refused(ChannelError.FailedPrecondition, NothingFrozen("nothing is frozen, and nothing was"));
    }

    /// <summary>Renews the lease; the calling session holds it from now on.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a time out of range, <see cref="ChannelError.FailedPrecondition"/> unless frozen.</exception>
    public FreezeReport Renew(RenewRequest request)
    {
        var length = CheckLease(request.LeaseMs);
        if (!_states.TryRenew(length, _session()))
        {
            throw Refused(ChannelError.FailedPrecondition, NothingFrozen("nothing is frozen"));
        }

        _states.Announce();
        return Status();
    }

    /// <summary>How it is.</summary>
    public FreezeReport Status() => _states.Report();

    /// <summary>Runs the hooks that a predecessor left due: it was ended while frozen, and its file systems are thawed by now.</summary>
    public void FinishRecovery()
    {
        _states.LastEnd = $"the agent ended while frozen, and the next one thawed at {_time.GetUtcNow():u}";
        Safely(_run.HooksAfterRecovery);
    }

    /// <summary>Thaws for a reason of the agent's own; null if nothing is frozen, else the report once everything is thawed.</summary>
    public async Task<FreezeReport?> EndAsync(string why)
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
                _ = OnThread(() => Finish(thawed));
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

    private FreezeReport Freeze(string[] mounts, bool ignoreUnknown)
    {
        var report = new FreezeReport();
        string? failure;
        try
        {
            _states.Announce();
            failure = _run.Freeze(mounts, () => _states.Lease.Left, ignoreUnknown, report);
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

        (var isFrozen, failure) = _states.EndFreeze(failure, report);
        if (!isFrozen)
        {
            return Undo(report, failure);
        }

        Safely(_states.Announce);
        return _states.Fill(report);
    }

    /// <summary>The way back of a freeze that has not become one.</summary>
    /// <param name="report">What was done so far.</param>
    /// <param name="failure">Why; null if there was nothing to freeze.</param>
    private FreezeReport Undo(FreezeReport report, string? failure)
    {
        _states.CallOff(failure ?? "there was nothing to freeze");
        ThawAll();
        foreach (var result in report.Mounts)
        {
            if (result.Outcome == MountOutcome.Frozen)
            {
                (result.Outcome, result.Reason) = (MountOutcome.Thawed, "frozen, and thawed again");
            }
        }

        report.Hooks.AddRange(Finish([]).Hooks);
        report.Failure = failure ?? "";
        return _states.Fill(report);
    }

    private IReadOnlyList<MountResult> ThawAll()
    {
        IReadOnlyList<MountResult> thawed = [];
        Safely(() => thawed = _run.Thaw());
        return thawed;
    }

    /// <summary>The steps after the thaw of the file systems. Even if one fails, the state is thawed at the end.</summary>
    private FreezeReport Finish(IEnumerable<MountResult> thawed)
    {
        var report = new FreezeReport();
        report.Mounts.AddRange(thawed);
        var why = _states.DatedReason();
        Safely(_states.Lease.Stop);
        Safely(() => _run.Finish(report));
        Safely(() => _log.Warning($"not frozen any more: {why}"));
        var ended = _states.EndThaw(why);
        Safely(_states.Announce);
        _states.Fill(report);
        ended.TrySetResult(report);
        return report;
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

    private TimeSpan CheckLease(uint milliseconds)
    {
        var length = TimeSpan.FromMilliseconds(milliseconds);
        var max = _options.MaxLease();
        return length >= FreezeOptions.MinLease && length <= max ? length : throw Refused(ChannelError.InvalidArgument,
            $"lease_ms is {milliseconds}; allowed are {FreezeOptions.MinLease.TotalMilliseconds} to {max.TotalMilliseconds} ([freeze] max_lease in the image's agent.toml); renew it if more is needed");
    }

    private string NothingFrozen(string first) => _states.LastEnd is { Length: > 0 } end ? $"nothing is frozen any more: {end}" : first;

    private static Task<T> OnThread<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static ChannelException Refused(ChannelError code, string message) => new(code, ErrorClass.Refused, message);
}
