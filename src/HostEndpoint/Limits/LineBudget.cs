namespace ChannelSdk.Host.Limits;

/// <summary>Lines that a guest may cause: so many a second; further ones are counted. Thread-safe.</summary>
/// <param name="perSecond">How many.</param>
/// <param name="time">The clock.</param>
internal sealed class LineBudget(int perSecond, TimeProvider time)
{
    private readonly Lock _gate = new();
    private int _perSecond = perSecond;
    private long _second = long.MinValue;
    private int _lines;
    private long _untold;
    private long _dropped;

    /// <summary>How many a second, from now on.</summary>
    public int PerSecond
    {
        set => Volatile.Write(ref _perSecond, value);
    }

    /// <summary>Lines that were not written, ever.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Whether one more line may be written now.</summary>
    /// <param name="dropped">If so, how many were not written since the last one that was.</param>
    public bool TryTake(out long dropped)
    {
        lock (_gate)
        {
            var second = time.GetTimestamp() / time.TimestampFrequency;
            (_lines, _second) = second == _second ? (_lines + 1, _second) : (1, second);
            if (_lines > Volatile.Read(ref _perSecond))
            {
                _untold++;
                _dropped++;
                dropped = 0;
                return false;
            }

            (dropped, _untold) = (_untold, 0);
            return true;
        }
    }
}
