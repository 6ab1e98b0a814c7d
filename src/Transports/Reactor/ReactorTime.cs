namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// The system's clock with timers that fire on the thread that serves descriptors, in a program that has little else: it needs neither a
/// thread for timers nor a pool. A callback must not wait.
/// </summary>
public sealed class ReactorTime : TimeProvider
{
    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new ReactorTimer(IoReactor.Shared, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }
}
