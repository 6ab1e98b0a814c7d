namespace ChannelSdk.Channels;

/// <summary>One timer for all that the protocol does by time: it fires at the next deadline of the session and of its calls.</summary>
/// <param name="core">The channel.</param>
/// <param name="nextDeadline">Under the lock: that deadline, in microseconds.</param>
/// <param name="time">The clock.</param>
internal sealed class SessionTimer(ChannelCore core, Func<long> nextDeadline, TimeProvider time) : IAsyncDisposable
{
    private ITimer? _timer;
    private long _firesAt = long.MaxValue;

    /// <summary>Called when something is due, on a thread of the pool; it throws nothing.</summary>
    public Action Due { get; set; } = static () => { };

    /// <summary>Under the lock: makes the timer fire no later than the next deadline.</summary>
    public void Rearm()
    {
        var next = nextDeadline();
        if (next < _firesAt && !core.Status.IsClosed)
        {
            _firesAt = next;
            // Rounded up to the timer's milliseconds: a little late is right, early would be for nothing.
            _timer ??= time.CreateTimer(static state => ((SessionTimer)state!).Due(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(1, (next - core.Now + 999) / 1000)), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Under the lock: it has fired, so the next <see cref="Rearm"/> sets it in any case.</summary>
    public void Clear() => _firesAt = long.MaxValue;

    public ValueTask DisposeAsync() => _timer?.DisposeAsync() ?? ValueTask.CompletedTask;
}
