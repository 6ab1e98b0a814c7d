using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The states between thawed and frozen with the lease that holds them, and what is said of them: in reports, in the
/// heartbeats and to calls that must wait. Does nothing to a file system. Thread-safe; nothing waits under its lock.
/// </summary>
internal sealed class FreezeStates : IDisposable
{
    private readonly FreezeRun _run;
    private readonly Action<StateWord, DateTimeOffset?> _setState;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private FreezeState _state = FreezeState.Thawed;
    private TaskCompletionSource<FreezeReport> _ended = new();
    private UInt128? _owner;
    private int _version;
    private string? _why;
    private string _lastEnd = "";
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
        get
        {
            lock (_lock)
            {
                return _lastEnd;
            }
        }
        set
        {
            lock (_lock)
            {
                _lastEnd = value;
            }
        }
    }

    /// <summary>Why other calls must wait now, or null.</summary>
    public string? Restriction
    {
        get
        {
            lock (_lock)
            {
                return _state == FreezeState.Thawed ? null
                    : $"the guest is {NameOf(_state)}, by itself no longer than {_time.GetUtcNow() + Lease.Left:u}; until then only freeze.Thaw, freeze.Renew, freeze.Status and info.Ping are answered";
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
    /// <param name="owner">The session that holds the lease, or null.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: not thawed, or the last freeze is stuck.</exception>
    public void BeginFreeze(UInt128? owner)
    {
        lock (_lock)
        {
            if (_state != FreezeState.Thawed)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused,
                    $"the guest is {NameOf(_state)} already; freeze.Renew prolongs the lease, freeze.Thaw ends it");
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
    }

    /// <summary>From freezing to frozen, unless the freeze failed, froze nothing or was called off.</summary>
    /// <param name="failure">Why the freeze failed, or null.</param>
    /// <param name="report">Its results.</param>
    /// <returns>Whether it is frozen; if not, why: null if there was nothing to freeze.</returns>
    public (bool IsFrozen, string? Failure) EndFreeze(string? failure, FreezeReport report)
    {
        var isNothing = failure is null && !report.Mounts.Any(static result => result.Outcome == MountOutcome.Frozen);
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

    /// <summary>From frozen to thawing; calls a freeze off that is under way. The first reason stays.</summary>
    /// <returns>The state before, and the report once everything is thawed.</returns>
    public (FreezeState Was, Task<FreezeReport> Ended) BeginThaw(string why)
    {
        lock (_lock)
        {
            var was = _state;
            if (was != FreezeState.Thawed)
            {
                _why ??= why;
            }

            if (was == FreezeState.Frozen)
            {
                (_state, _version) = (FreezeState.Thawing, _version + 1);
            }

            return (was, _ended.Task);
        }
    }

    /// <summary>The reason of the end that is under way, with the time.</summary>
    public string DatedReason() => $"{_why}, at {_time.GetUtcNow():u}";

    /// <summary>To thawed, from any state.</summary>
    /// <param name="why">How the freeze ended.</param>
    /// <returns>Gets the report; the next freeze has its own.</returns>
    public TaskCompletionSource<FreezeReport> EndThaw(string why)
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
            if (_state is not (FreezeState.Frozen or FreezeState.Freezing) || _why is not null || !Lease.Renew(length))
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

            _setState(word, word is StateWord.Freezing or StateWord.Frozen ? _time.GetUtcNow() + Lease.Left : null);
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

    private static string NameOf(FreezeState state) => state switch
    {
        FreezeState.Freezing => "being frozen",
        FreezeState.Frozen => "frozen",
        _ => "being thawed",
    };
}
