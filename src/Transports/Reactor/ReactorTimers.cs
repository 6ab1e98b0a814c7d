namespace ChannelSdk.Transports.Reactor;

/// <summary>The timers of an I/O thread, which are few.</summary>
internal sealed class ReactorTimers
{
    private readonly Lock _gate = new();
    private readonly List<ReactorTimer> _armed = new(8);
    private long _next = long.MaxValue;

    /// <summary>Sets when a timer fires; long.MaxValue for never. From any thread.</summary>
    /// <returns>Whether it fires before all others.</returns>
    public bool Set(ReactorTimer timer, long dueAt)
    {
        lock (_gate)
        {
            _armed.Remove(timer);
            timer.DueAt = dueAt;
            if (dueAt != long.MaxValue)
            {
                _armed.Add(timer);
            }

            var before = _next;
            FindNext();
            return _next < before;
        }
    }

    /// <summary>Milliseconds until one fires, for a wait; -1 for never.</summary>
    public int Timeout()
    {
        var next = Volatile.Read(ref _next);
        return next == long.MaxValue ? -1 : (int)Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
    }

    /// <summary>Fires those whose time has come. On the thread.</summary>
    public void FireDue()
    {
        var now = Environment.TickCount64;
        while (Volatile.Read(ref _next) <= now && Take(now) is { } timer)
        {
            timer.Fire();
        }
    }

    private ReactorTimer? Take(long now)
    {
        lock (_gate)
        {
            var at = _armed.FindIndex(timer => timer.DueAt <= now);
            if (at < 0)
            {
                FindNext();
                return null;
            }

            var due = _armed[at];
            if (due.Period > 0)
            {
                due.DueAt = now + due.Period;
            }
            else
            {
                _armed.RemoveAt(at);
            }

            FindNext();
            return due;
        }
    }

    private void FindNext()
    {
        var next = long.MaxValue;
        foreach (var timer in _armed)
        {
            next = Math.Min(next, timer.DueAt);
        }

        Volatile.Write(ref _next, next);
    }
}
