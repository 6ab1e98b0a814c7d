namespace ChannelSdk.Channels;

/// <summary>Something to do once the channel's lock is free: a caller's continuation, a handler.</summary>
internal interface IDeferred
{
    void Run();
}

/// <summary>
/// Runs foreign code (callbacks, handlers) in order, outside of the lock. The one place that catches what it throws.
/// </summary>
internal sealed class CallbackRunner(ChannelCore core)
{
    private readonly Queue<IDeferred> _deferred = new();

    /// <summary>Under the lock: to be run by the next <see cref="Run"/>.</summary>
    public void Defer(IDeferred action) => _deferred.Enqueue(action);

    /// <summary>Runs what has gathered.</summary>
    public void Run()
    {
        while (true)
        {
            IDeferred action;
            lock (core.Gate)
            {
                if (!_deferred.TryDequeue(out action!))
                {
                    return;
                }
            }

            try
            {
                action.Run();
            }
            catch (Exception e)
            {
                // Each on its own: what one does hurts neither the next nor the loop that runs them.
                core.Faults.Report("a callback failed", e);
            }
        }
    }
}
