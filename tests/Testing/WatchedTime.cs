using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.Testing;

/// <summary>A clock that a test moves, and that tells when code has begun to wait for it.</summary>
public sealed class WatchedTime : FakeTimeProvider
{
    private readonly Channel<ITimer> _timersMade = Channel.CreateUnbounded<ITimer>();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        _timersMade.Writer.TryWrite(timer);
        return timer;
    }

    /// <summary>Waits for the next timer that is made, then moves the clock.</summary>
    public async Task AdvanceNextAsync(TimeSpan time)
    {
        await _timersMade.Reader.ReadAsync().AsTask().Within();
        Advance(time);
    }
}
