using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Channels;

/// <summary>
/// What the parts of one channel share: the lock, the protocol's state under it, the clock, and each other. A part works under the
/// lock where it says so; deferred callbacks run once the lock is free.
/// </summary>
internal sealed class ChannelCore
{
    private readonly TimeProvider _time;

    public ChannelCore(ChannelOptions options, TimeProvider time)
    {
        (Options, _time) = (options, time);
        Events = new EventHub(options.EventBacklog, time);
        Status = new StatusTracker(this);
        Faults = new FaultReporter(this);
        Callbacks = new CallbackRunner(this);
    }

    /// <summary>Guards the calls and the state of all parts. Nothing of a user runs under it.</summary>
    public Lock Gate { get; } = new();

    /// <summary>What carries the calls; set once, before the channel is used.</summary>
    public IChannelEngine Engine { get; set; } = null!;

    /// <summary>Under the lock: the calls.</summary>
    public ICallPeer Calls => Engine.Calls;

    public ChannelOptions Options { get; }

    public EventHub Events { get; }

    public StatusTracker Status { get; }

    public FaultReporter Faults { get; }

    public CallbackRunner Callbacks { get; }

    /// <summary>Microseconds of a monotonic clock.</summary>
    public long Now => (long)_time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>Waits for a time, or until the channel stops; it does not throw then.</summary>
    public async Task WaitAsync(TimeSpan pause, CancellationToken stopping)
    {
        try
        {
            await Task.Delay(pause, _time, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The caller looks at the token.
        }
    }
}
