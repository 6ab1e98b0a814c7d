using System.Threading.Channels;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A clock that moves when a test says so. Timers fire on the test's thread.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly List<ManualTimer> _timers = [];
    private readonly Channel<ManualTimer> _timersMade = Channel.CreateUnbounded<ManualTimer>();
    private DateTimeOffset _now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        lock (_timers)
        {
            _timers.Add(timer);
        }
        timer.Change(dueTime, period);
        _timersMade.Writer.TryWrite(timer);
        return timer;
    }

    /// <summary>Waits until somebody has begun to wait for the clock, then moves it.</summary>
    public async Task AdvanceNextAsync(TimeSpan time)
    {
        await _timersMade.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        Advance(time);
    }

    public void Advance(TimeSpan time)
    {
        _now += time;
        ManualTimer[] due;
        lock (_timers)
        {
            due = [.. _timers.Where(timer => timer.Due <= _now)];
        }
        foreach (ManualTimer timer in due)
        {
            timer.Fire();
        }
    }

    private sealed class ManualTimer(ManualTime time, Action callback) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public DateTimeOffset Due { get; private set; } = DateTimeOffset.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            Due = After(dueTime);
            return true;
        }

        public void Fire()
        {
            Due = After(_period);
            callback();
        }

        private DateTimeOffset After(TimeSpan wait) => wait == Timeout.InfiniteTimeSpan ? DateTimeOffset.MaxValue : time._now + wait;

        public void Dispose()
        {
            lock (time._timers)
            {
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
