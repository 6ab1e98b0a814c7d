namespace ChannelSdk.GuestAgent.Platform;

/// <summary>
/// Gives memory back to the system once a burst of work is over. The collector alone keeps what the burst needed, and
/// the guest's owner would rather have it.
/// </summary>
internal sealed class MemoryTrim : IDisposable
{
    /// <summary>How often it looks; a burst is over when nothing was collected for so long.</summary>
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Func<int> _collections;
    private readonly Action _trim;
    private readonly ITimer _timer;
    private int _seen;
    private int _afterTrim;

    /// <summary>Starts to look.</summary>
    /// <param name="collections">How many collections there were so far: only work makes them.</param>
    /// <param name="trim">What gives the memory back; it may count as collections.</param>
    /// <param name="time">The clock.</param>
    public MemoryTrim(Func<int> collections, Action trim, TimeProvider time)
    {
        (_collections, _trim) = (collections, trim);
        _seen = _afterTrim = collections();
        _timer = time.CreateTimer(static state => ((MemoryTrim)state!).Look(), this, Period, Period);
    }

    /// <summary>For this process.</summary>
    public static MemoryTrim OfProcess(TimeProvider time) => new(
        static () => GC.CollectionCount(0),
        static () => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true),
        time);

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var now = _collections();
        if (now == _seen && now != _afterTrim)
        {
            _trim();
            _afterTrim = now = _collections();
        }

        _seen = now;
    }
}
