namespace ChannelSdk.Host.Telemetry;

/// <summary>Lines that a guest may cause: so many a second; further ones are counted. Thread-safe.</summary>
/// <param name="perSecond">How many.</param>
/// <param name="time">The clock.</param>
internal sealed class LineBudget(int perSecond, TimeProvider time)
{
    private readonly Lock _gate = new();
    private long _second = long.MinValue;
    private int _lines;
    private long _dropped;

    /// <summary>Whether one more line may be written now.</summary>
    /// <param name="dropped">If so, how many were not written since the last one that was.</param>
    public bool TryTake(out long dropped)
    {
        lock (_gate)
        {
            var second = time.GetTimestamp() / time.TimestampFrequency;
            (_lines, _second) = second == _second ? (_lines + 1, _second) : (1, second);
            if (_lines > perSecond)
            {
                _dropped++;
                dropped = 0;
                return false;
            }

            (dropped, _dropped) = (_dropped, 0);
            return true;
        }
    }
}
