using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// freeze.Freeze, Thaw, Renew and Status: the states between thawed and frozen, and the ways back, of which each works
/// from every state: the host's thaw, the end of the lease, the end of the agent. Thread-safe.
/// </summary>
internal sealed class FreezeService : IDisposable
{
    private readonly FreezeOptions _options;
    private readonly FreezeRun _run;
    private readonly Func<UInt128?> _session;
    private readonly Action<StateWord, DateTimeOffset?> _setState;
    private readonly AgentLog _log;
    private readonly TimeProvider _time;
    private readonly FreezeLease _lease;
    private readonly Lock _lock = new();
    private FreezeState _state = FreezeState.Thawed;
    private TaskCompletionSource<FreezeReport> _ended = new();
    private UInt128? _owner;
    private int _version;
    private string? _why;
    private string _lastEnd = "";
    private MountResult[] _mounts = [];

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
        (_options, _run, _session, _setState, _log, _time) = (options, run, session, setState, log, time);
        _lease = new FreezeLease(() => _session() is { } now && now == Owner, why => _ = EndAsync(why), time);
    }

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction
    {
        get
        {
            lock (_lock)
            {
                return _state == FreezeState.Thawed ? null
                    : $"the guest is {Word(_state)}, by itself no longer than {_time.GetUtcNow() + _lease.Left:u}; until then only freeze.Thaw, freeze.Renew, freeze.Status and info.Ping are answered";
            }
        }
    }

    /// <summary>Freezes, or says why nothing is frozen.</summary>
    /// <exception cref="ChannelException">Code 401 for times out of range, 408 for a mount that is none, 405 while frozen.</exception>
    /// <param name="request">What to freeze, and for how long.</param>
    /// <param name="ignoreUnknown">Whether mount points that are none are passed over, and nothing to freeze is no failure.</param>
    public ValueTask<FreezeReport> FreezeAsync(FreezeRequest request, bool ignoreUnknown = false)
    {
        TimeSpan length = CheckLease(request.LeaseMs);
        TimeSpan linkLoss = request.LinkLossMs == 0 ? length : TimeSpan.FromMilliseconds(request.LinkLossMs);
        if (request.Mounts.Count > FreezeOptions.MaxAskedMounts)
        {
            throw Refused(ChannelError.InvalidArgument, $"{request.Mounts.Count} mounts; at most {FreezeOptions.MaxAskedMounts} can be named, none stands for all");
        }
        UInt128? owner = _session();
        lock (_lock)
        {
            if (_state != FreezeState.Thawed)
            {
                throw Refused(ChannelError.FailedPrecondition, $"the guest is {Word(_state)} already; freeze.Renew prolongs the lease, freeze.Thaw ends it");
            }
            if (_run.StuckIn is { } place)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry,
                    $"the last freeze, whose time is over, is still stuck in {place}; nothing can be frozen before that has come back");
            }
            (_state, _owner, _why, _version) = (FreezeState.Freezing, owner, null, _version + 1);
            _ended = new TaskCompletionSource<FreezeReport>(TaskCreationOptions.RunContinuationsAsynchronously);
            _mounts = [];
            _run.Begin(() => _why is not null);
        }
        try
        {
            _lease.Start(length, linkLoss);
            // The freeze waits for storage and hooks as long as they take: no thread of the pool is held by it.
            return new ValueTask<FreezeReport>(OnThread(() => Freeze([.. request.Mounts], ignoreUnknown)));
        }
        catch (Exception e)
        {
            return ValueTask.FromResult(Undo(new FreezeReport(), Reason(e)));
        }
    }

    /// <summary>Thaws; with force whatever can be, without complaint.</summary>
    /// <exception cref="ChannelException">Code 405: nothing is frozen, with how the last freeze ended.</exception>
    public async ValueTask<FreezeReport> ThawAsync(ThawRequest request)
    {
        FreezeReport? report = await (await OnThread(() => EndAsync("the host thawed it")).ConfigureAwait(false)).ConfigureAwait(false);
        if (request.Force)
        {
            report ??= Fill(new FreezeReport());
            report.Mounts.AddRange(await OnThread(_run.ForceAll).ConfigureAwait(false));
        }
        return report ?? throw Refused(ChannelError.FailedPrecondition,
            _lastEnd.Length == 0 ? "nothing is frozen, and nothing was" : $"nothing is frozen any more: {_lastEnd}");
    }

    /// <summary>Gives the lease its time anew; the calling session holds it from now on.</summary>
    /// <exception cref="ChannelException">Code 401 for a time out of range, 405 unless frozen.</exception>
    public FreezeReport Renew(RenewRequest request)
    {
        TimeSpan length = CheckLease(request.LeaseMs);
        UInt128? owner = _session();
        lock (_lock)
        {
            if (_state is not (FreezeState.Frozen or FreezeState.Freezing) || _why is not null || !_lease.Renew(length))
            {
                throw Refused(ChannelError.FailedPrecondition, _lastEnd.Length == 0 ? "nothing is frozen" : $"nothing is frozen any more: {_lastEnd}");
            }
            (_owner, _version) = (owner, _version + 1);
        }
        Announce();
        return Status();
    }

    /// <summary>How it is.</summary>
    public FreezeReport Status()
    {
        var report = new FreezeReport();
        lock (_lock)
        {
            report.Mounts.AddRange(_mounts);
        }
        return Fill(report);
    }

    /// <summary>Runs the hooks that a predecessor left due: it was ended while frozen, and its file systems are thawed by now.</summary>
    public void FinishRecovery()
    {
        lock (_lock)
        {
            _lastEnd = $"the agent ended while frozen, and the next one thawed at {_time.GetUtcNow():u}";
        }
        Safely(_run.HooksAfterRecovery);
    }

    /// <summary>Thaws for a reason of the agent's own; null if nothing is frozen, else the report once everything is thawed.</summary>
    public async Task<FreezeReport?> EndAsync(string why)
    {
        Task<FreezeReport> ended;
        FreezeState was;
        lock (_lock)
        {
            (was, ended) = (_state, _ended.Task);
            if (was == FreezeState.Thawed)
            {
                return null;
            }
            _why ??= why;
            if (was == FreezeState.Frozen)
            {
                (_state, _version) = (FreezeState.Thawing, _version + 1);
            }
        }
        if (was == FreezeState.Frozen)
        {
            // File systems first and on this thread, which may be the lease's own.
            IReadOnlyList<MountResult> thawed = ThawAll();
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
            // What is frozen so far is thawed, which also frees whoever waits for it; the freezing thread does the rest
            // when it comes back.
            ThawAll();
        }
        return await ended.ConfigureAwait(false);
    }

    /// <summary>Ends the lease's thread.</summary>
    public void Dispose() => _lease.Dispose();

    private FreezeReport Freeze(string[] mounts, bool ignoreUnknown)
    {
        var report = new FreezeReport();
        string? failure;
        try
        {
            Announce();
            failure = _run.Freeze(mounts, () => _lease.Left, ignoreUnknown, report);
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
        bool isNothing = failure is null && !report.Mounts.Any(static result => result.Outcome == MountOutcome.Frozen);
        lock (_lock)
        {
            failure = _why is null ? failure : _run.StuckIn is { } place ? $"{_why}; stuck in {place}" : _why;
            if (failure is null && !isNothing)
            {
                (_state, _version) = (FreezeState.Frozen, _version + 1);
                _mounts = [.. report.Mounts];
            }
        }
        if (failure is null && !isNothing)
        {
            Safely(Announce);
            return Fill(report);
        }
        return Undo(report, failure);
    }

    /// <summary>The way back of a freeze that has not become one.</summary>
    /// <param name="report">What was done so far.</param>
    /// <param name="failure">Why; null if there was nothing to freeze.</param>
    private FreezeReport Undo(FreezeReport report, string? failure)
    {
        lock (_lock)
        {
            _why = failure ?? "there was nothing to freeze";
        }
        ThawAll();
        foreach (MountResult result in report.Mounts)
        {
            if (result.Outcome == MountOutcome.Frozen)
            {
                (result.Outcome, result.Reason) = (MountOutcome.Thawed, "frozen, and thawed again");
            }
        }
        report.Hooks.AddRange(Finish([]).Hooks);
        report.Failure = failure ?? "";
        return Fill(report);
    }

    private IReadOnlyList<MountResult> ThawAll()
    {
        IReadOnlyList<MountResult> thawed = [];
        Safely(() => thawed = _run.Thaw());
        return thawed;
    }

    /// <summary>Everything behind the thaw of the file systems themselves. Whatever fails of it, the state is thawed at its end.</summary>
    private FreezeReport Finish(IEnumerable<MountResult> thawed)
    {
        var report = new FreezeReport();
        report.Mounts.AddRange(thawed);
        string why = $"{_why}, at {_time.GetUtcNow():u}";
        Safely(_lease.Stop);
        Safely(() => _run.Finish(report));
        Safely(() => _log.Warning($"not frozen any more: {why}"));
        TaskCompletionSource<FreezeReport> ended;
        lock (_lock)
        {
            // Taken with the state: the next freeze has its own.
            ended = _ended;
            (_state, _lastEnd, _mounts, _version) = (FreezeState.Thawed, why, [], _version + 1);
        }
        Safely(Announce);
        Fill(report);
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

    /// <summary>Says the state in the heartbeats. Several threads may do so at once: the last state wins.</summary>
    private void Announce()
    {
        int version;
        do
        {
            StateWord word;
            lock (_lock)
            {
                version = _version;
                word = _state switch
                {
                    FreezeState.Thawed => StateWord.Ready,
                    FreezeState.Freezing => StateWord.Freezing,
                    FreezeState.Frozen => StateWord.Frozen,
                    _ => StateWord.Busy,
                };
            }
            _setState(word, word is StateWord.Freezing or StateWord.Frozen ? _time.GetUtcNow() + _lease.Left : null);
        }
        while (version != Volatile.Read(ref _version));
    }

    private FreezeReport Fill(FreezeReport report)
    {
        lock (_lock)
        {
            TimeSpan left = _lease.Left;
            (report.State, report.LastEnd, report.LeftMs) = (_state, _lastEnd, (ulong)left.TotalMilliseconds);
            report.UntilUnixMs = left > TimeSpan.Zero ? (_time.GetUtcNow() + left).ToUnixTimeMilliseconds() : 0;
        }
        return report;
    }

    private TimeSpan CheckLease(uint milliseconds)
    {
        var length = TimeSpan.FromMilliseconds(milliseconds);
        TimeSpan max = _options.MaxLease();
        return length >= FreezeOptions.MinLease && length <= max ? length : throw Refused(ChannelError.InvalidArgument,
            $"lease_ms is {milliseconds}; allowed are {FreezeOptions.MinLease.TotalMilliseconds} to {max.TotalMilliseconds} (freeze_max_lease in the image's agent.conf); renew it if more is needed");
    }

    private UInt128? Owner
    {
        get
        {
            lock (_lock)
            {
                return _owner;
            }
        }
    }

    private static Task<T> OnThread<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static string Word(FreezeState state) => state switch
    {
        FreezeState.Freezing => "being frozen",
        FreezeState.Frozen => "frozen",
        _ => "being thawed",
    };

    private static ChannelException Refused(ChannelError code, string message) => new(code, ErrorClass.Refused, message);
}
