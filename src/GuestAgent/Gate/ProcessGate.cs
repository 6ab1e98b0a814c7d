using System.Diagnostics;

namespace ChannelSdk.GuestAgent.Gate;

/// <summary>
/// Stops every process but the agent's own, PID 1 and the kernel's, by the freezer of control groups, and lets them go on. Groups that
/// were frozen before stay as they are at both. Thread-safe.
/// </summary>
/// <param name="platform">The kernel.</param>
internal sealed class ProcessGate(IGatePlatform platform)
{
    // A process that forks, or PID 1, makes groups while the gate closes; without a bound they could do so for ever.
    private const int MaxPasses = 50;
    private const int MaxNamed = 5;

    /// <summary>How long a group has to stand still; measured are 3 to 6 ms in an emulated guest.</summary>
    private readonly TimeSpan _patience = TimeSpan.FromSeconds(5);
    private readonly Lock _lock = new();
    private readonly Stack<string> _frozen = [];
    private bool _isEnded = true;
    private bool _isShut;

    /// <summary>Makes a gate with another patience.</summary>
    /// <param name="platform">The kernel.</param>
    /// <param name="patience">How long a group has to stand still.</param>
    public ProcessGate(IGatePlatform platform, TimeSpan patience)
        : this(platform) => _patience = patience;

    /// <summary>Whether it is shut: from the moment at which all stand still until one may go on.</summary>
    public bool IsShut
    {
        get
        {
            lock (_lock)
            {
                return _isShut;
            }
        }
    }

    /// <summary>Starts again after <see cref="Open"/>.</summary>
    public void Begin()
    {
        lock (_lock)
        {
            (_isEnded, _isShut) = (false, false);
        }
    }

    /// <summary>Shuts it. After a failure <see cref="Open"/> is due.</summary>
    /// <param name="note">Takes each group before it is frozen.</param>
    /// <param name="session">Session of a program that the agent has running and needs; 0 for none.</param>
    /// <param name="mustStop">Asked all the time; true ends it as a failure.</param>
    /// <param name="done">What was done, for a person.</param>
    /// <returns>Why it is not shut, or null.</returns>
    public string? Close(Action<string> note, int session, Func<bool> mustStop, out string done)
    {
        done = "";
        if (platform.Find(out var reason) is not { } place)
        {
            return reason;
        }

        var walk = new GateWalk(platform, place, id => id == Environment.ProcessId || (session != 0 && platform.SessionOf(id) == session));
        var known = new HashSet<string>(StringComparer.Ordinal);
        var others = new List<string>();
        for (var pass = 0; pass < MaxPasses; pass++)
        {
            if (walk.Look() is { } refusal)
            {
                return refusal;
            }

            string[] fresh = [.. walk.Found.Where(known.Add)];
            if ((Freeze(fresh, others, note) ?? Settle(walk.Found, mustStop)) is { } failure)
            {
                return failure;
            }

            if (platform.Find(out reason) != place)
            {
                return reason.Length > 0 ? reason : "the agent or PID 1 has been moved to another control group meanwhile";
            }

            // Nothing that was found runs, so nothing new comes of it; a pass without anything new had no other source either.
            if (fresh.Length == 0)
            {
                return Shut(others, out done);
            }
        }

        return $"new control groups appear without end ({MaxPasses} looks)";
    }

    /// <summary>Lets all go on that this has stopped, in reverse, and stops nothing more until <see cref="Begin"/>. From any thread, at any time.</summary>
    /// <returns>What could not be opened, for a person.</returns>
    public IReadOnlyList<string> Open()
    {
        var failures = new List<string>();
        lock (_lock)
        {
            (_isEnded, _isShut) = (true, false);
            while (_frozen.TryPop(out var group))
            {
                var error = platform.Set(group, false);
                if (error != 0 && platform.IsAsked(group) == true)
                {
                    failures.Add($"{group} (error {error})");
                }
            }
        }

        return failures;
    }

    /// <summary>Takes over what a predecessor has stopped.</summary>
    /// <param name="groups">In the order of freezing.</param>
    public void Adopt(IEnumerable<string> groups)
    {
        lock (_lock)
        {
            foreach (var group in groups)
            {
                _frozen.Push(group);
            }

            (_isEnded, _isShut) = (false, _frozen.Count > 0);
        }
    }

    private string? Freeze(IReadOnlyList<string> groups, List<string> others, Action<string> note)
    {
        foreach (var group in groups)
        {
            if (platform.IsAsked(group) is not { } isAsked)
            {
                if (platform.Processes(group) is null)
                {
                    continue;
                }

                return $"this kernel does not freeze control groups: {group} has no cgroup.freeze (Linux 5.2 and later)";
            }

            if (isAsked)
            {
                others.Add(group);
                continue;
            }

            lock (_lock)
            {
                if (_isEnded)
                {
                    return "called off";
                }

                note(group);
                _frozen.Push(group);
                if (platform.Set(group, true) is not 0 and var error && platform.IsAsked(group) is not null)
                {
                    return $"control group {group} cannot be frozen (error {error}; the agent's unit needs ProtectControlGroups=no)";
                }
            }
        }

        return null;
    }

    private string? Settle(IReadOnlyList<string> groups, Func<bool> mustStop)
    {
        var start = Stopwatch.GetTimestamp();
        foreach (var group in groups)
        {
            while (!platform.IsFrozen(group))
            {
                if (mustStop())
                {
                    return "called off";
                }

                if (Stopwatch.GetElapsedTime(start) >= _patience)
                {
                    return $"control group {group} does not stand still after {_patience.TotalSeconds:0.#} s{platform.Unfreezable(group)}";
                }

                platform.Await(group);
            }
        }

        return null;
    }

    private string? Shut(List<string> others, out string done)
    {
        lock (_lock)
        {
            _isShut = !_isEnded;
            done = $"{_frozen.Count} control groups{(others.Count == 0 ? "" : $"; frozen before and left so: {string.Join(", ", others.Take(MaxNamed))}{(others.Count > MaxNamed ? " and more" : "")}")}";
            return _isEnded ? "called off" : null;
        }
    }
}
