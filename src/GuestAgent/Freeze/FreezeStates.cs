using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The states between thawed and frozen, and what is held half thawed, with the lease that holds them, and what is said of them: in reports, in the
/// heartbeats and to calls that must wait. Does nothing to a file system. Thread-safe; nothing waits under its lock.
/// </summary>
internal sealed class FreezeStates : IDisposable
{
    private readonly FreezeRun _run;
    private readonly Action<StateWord, DateTimeOffset?> _setState;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private FreezeState _state = FreezeState.Thawed;
    private TaskCompletionSource<RestReport> _ended = new();
    private FreezeOrder _order = new([]);
    private volatile bool _isHeld;
    private UInt128? _owner;
    private int _version;
    private string? _why;
    private volatile string _lastEnd = "";
    private MountResult[] _mounts = [];

    /// <summary>Begins thawed.</summary>
    /// <param name="run">What freezes and thaws; asked where it is stuck.</param>
    /// <param name="session">The session whose link is up now, or null.</param>
    /// <param name="leaseEnded">Called on the lease's own thread when it is over, with the reason.</param>
    /// <param name="setState">Sets the state word of the heartbeats.</param>
    /// <param name="time">The clock of the lease.</param>
    public FreezeStates(
        FreezeRun run, Func<UInt128?> session, Action<string> leaseEnded, Action<StateWord, DateTimeOffset?> setState, TimeProvider time)
    {
        (_run, _setState, _time) = (run, setState, time);
        Lease = new FreezeLease(() => session() is { } now && now == Owner, leaseEnded, time);
    }

    /// <summary>The lease of the freeze.</summary>
    public FreezeLease Lease { get; }

    /// <summary>How the last freeze ended; empty if there was none.</summary>
    public string LastEnd
    {
        get => _lastEnd;
        set => _lastEnd = value;
    }

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction
    {
        get
        {
            lock (_lock)
            {
                return _state == FreezeState.Thawed ? null
                    : FreezeWords.Restriction(_state, _time.GetUtcNow() + Lease.Left);
            }
        }
    }

    /// <summary>Whether the file systems are thawed and the rest waits: for a repair, or for the end of the lease.</summary>
    public bool IsHeld => _isHeld;

    /// <summary>Whether what is at rest, or on its way to it, is so for a snapshot.</summary>
    public bool IsPrepared
    {
        get
        {
            lock (_lock)
            {
                return _state != FreezeState.Thawed && _order.IsSnapshot;
            }
        }
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

    /// <summary>From thawed to freezing.</summary>
    /// <param name="order">What is brought to rest.</param>
    /// <param name="owner">The session that holds the lease, or null.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: not thawed, or the last freeze is stuck.</exception>
    public void BeginFreeze(FreezeOrder order, UInt128? owner)
    {
        lock (_lock)
        {
            if (_state != FreezeState.Thawed)
            {
                throw FreezeWords.Already(_state, _order);
            }

            if (_run.StuckIn is { } place)
            {
                throw FreezeWords.Stuck(place);
            }

            (_state, _order, _owner, _why, _version) = (FreezeState.Freezing, order, owner, null, _version + 1);
            _ended = new TaskCompletionSource<RestReport>(TaskCreationOptions.RunContinuationsAsynchronously);
            _mounts = [];
            _run.Begin(() => _why is not null);
        }
    }

    /// <summary>From freezing to frozen, unless the freeze failed, froze nothing or was called off.</summary>
    /// <param name="failure">Why the freeze failed, or null.</param>
    /// <param name="report">Its results.</param>
    /// <returns>Whether it is frozen; if not, why: null if there was nothing to freeze.</returns>
    public (bool IsFrozen, string? Failure) EndFreeze(string? failure, FreezeReport report)
    {
        var isNothing = failure is null && !_order.IsSnapshot && !report.Mounts.Any(static result => result.Outcome == MountOutcome.Frozen);
        lock (_lock)
        {
            failure = _why is null ? failure : _run.StuckIn is { } place ? $"{_why}; stuck in {place}" : _why;
            if (failure is not null || isNothing)
            {
                return (false, failure);
            }

            (_state, _version) = (FreezeState.Frozen, _version + 1);
            _mounts = [.. report.Mounts];
            return (true, null);
        }
    }

    /// <summary>Calls a freeze off that has not become one.</summary>
    public void CallOff(string why)
    {
        lock (_lock)
        {
            _why = why;
        }
    }

    /// <summary>From frozen, or from held, to thawing; calls a freeze off that is under way. The first reason stays.</summary>
    /// <returns>The state before, where held counts as frozen, and the report once everything is thawed.</returns>
    public (FreezeState Was, Task<RestReport> Ended) BeginThaw(string why)
    {
        lock (_lock)
        {
            var was = _isHeld ? FreezeState.Frozen : _state;
            if (was != FreezeState.Thawed)
            {
                _why ??= why;
            }

            if (was == FreezeState.Frozen)
            {
                (_state, _isHeld, _version) = (FreezeState.Thawing, false, _version + 1);
            }

            return (was, _ended.Task);
        }
    }

    /// <summary>From frozen to held: the file systems are to be thawed, and the rest stays as it is. False from every other state.</summary>
    /// <param name="owner">The session that holds the lease from now on, or null.</param>
    public bool TryHold(UInt128? owner)
    {
        lock (_lock)
        {
            if (_state == FreezeState.Frozen)
            {
                (_state, _isHeld, _mounts, _version) = (FreezeState.Thawing, true, [], _version + 1);
            }

            _owner = _isHeld ? owner : _owner;
            return _isHeld;
        }
    }

    /// <summary>Begins held: a predecessor has stopped the processes, for a snapshot.</summary>
    public void BeginHeld()
    {
        lock (_lock)
        {
            (_state, _isHeld, _order, _version) = (FreezeState.Thawing, true, new FreezeOrder([]) { Kind = SnapshotKind.Memory, Gate = true }, _version + 1);
            (_why, _ended) = (null, new TaskCompletionSource<RestReport>(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }

    /// <summary>The reason of the end that is under way, with the time.</summary>
    public string DatedReason() => $"{_why}, at {_time.GetUtcNow():u}";

    /// <summary>To thawed, from any state.</summary>
    /// <param name="why">How the freeze ended.</param>
    /// <returns>Gets the report; the next freeze has its own.</returns>
    public TaskCompletionSource<RestReport> EndThaw(string why)
    {
        lock (_lock)
        {
            (_state, _lastEnd, _mounts, _version) = (FreezeState.Thawed, why, [], _version + 1);
            return _ended;
        }
    }

    /// <summary>Renews the lease for a session. False unless it runs, and the freeze is not called off.</summary>
    public bool TryRenew(TimeSpan length, UInt128? owner)
    {
        lock (_lock)
        {
            if ((!_isHeld && _state is not (FreezeState.Frozen or FreezeState.Freezing)) || _why is not null || !Lease.Renew(length))
            {
                return false;
            }

            (_owner, _version) = (owner, _version + 1);
            return true;
        }
    }

    /// <summary>Says the state in the heartbeats. Several threads may do so at once: the last state wins.</summary>
    public void Announce()
    {
        int version;
        do
        {
            StateWord word;
            bool isLeased;
            lock (_lock)
            {
                version = _version;
                isLeased = _isHeld || _state is FreezeState.Freezing or FreezeState.Frozen;
                word = FreezeWords.Word(_state);
            }

            _setState(word, isLeased ? _time.GetUtcNow() + Lease.Left : null);
        }
        while (version != Volatile.Read(ref _version));
    }

    /// <summary>A report of what is frozen.</summary>
    public FreezeReport Report()
    {
        var report = new FreezeReport();
        lock (_lock)
        {
            report.Mounts.AddRange(_mounts);
        }

        return Fill(report);
    }

    /// <summary>Completes a report with the state, the lease and the last end.</summary>
    public FreezeReport Fill(FreezeReport report)
    {
        lock (_lock)
        {
            var left = Lease.Left;
            (report.State, report.LastEnd, report.LeftMs) = (_state, _lastEnd, (ulong)left.TotalMilliseconds);
            report.UntilUnixMs = left > TimeSpan.Zero ? (_time.GetUtcNow() + left).ToUnixTimeMilliseconds() : 0;
        }

        return report;
    }

    /// <summary>Ends the lease's thread.</summary>
    public void Dispose() => Lease.Dispose();
}
