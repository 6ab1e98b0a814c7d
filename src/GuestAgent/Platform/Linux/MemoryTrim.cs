namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// Gives memory back to the system once a burst of work is over. The collector alone keeps what a bulk transfer needed:
/// some 8 MiB that the guest's owner would rather have.
/// </summary>
internal sealed class MemoryTrim : IDisposable
{
    internal static readonly TimeSpan Quiet = TimeSpan.FromSeconds(3);

    private readonly ITimer _timer;

    /// <summary>Makes the timer; it does not run until work is done.</summary>
    /// <param name="trim">What gives the memory back.</param>
    /// <param name="time">The clock.</param>
    public MemoryTrim(Action trim, TimeProvider time) =>
        _timer = time.CreateTimer(_ => trim(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>A compacting collection that also decommits.</summary>
    public static void Collect() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

    /// <summary>Work was done; trims when none follows for a while.</summary>
    public void WorkDone() => _timer.Change(Quiet, Timeout.InfiniteTimeSpan);

    public void Dispose() => _timer.Dispose();
}
