namespace ChannelSdk.Transports.Reactor;

/// <summary>A timer of the I/O thread.</summary>
/// <param name="reactor">The thread.</param>
/// <param name="callback">What is called there.</param>
internal sealed class ReactorTimer(IoReactor reactor, Action callback) : ITimer
{
    /// <summary>When it fires, in milliseconds of the system's monotonic clock. For <see cref="ReactorTimers"/>.</summary>
    internal long DueAt { get; set; }

    /// <summary>Milliseconds from one firing to the next; 0 for once.</summary>
    internal long Period { get; private set; }

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        Period = period == Timeout.InfiniteTimeSpan ? 0 : Milliseconds(period);
        reactor.Arm(this, dueTime == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + Milliseconds(dueTime));
        return true;
    }

    public void Dispose() => reactor.Arm(this, long.MaxValue);

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    internal void Fire() => callback();

    // A little late is right, early is not.
    private static long Milliseconds(TimeSpan time) => (long)Math.Ceiling(Math.Max(0, time.TotalMilliseconds));
}
