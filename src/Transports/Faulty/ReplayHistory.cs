namespace ChannelSdk.Transports.Faulty;

/// <summary>The last bytes received over an endpoint's links, up to a bound.</summary>
internal sealed class ReplayHistory(int capacity)
{
    private readonly Lock _gate = new();
    private readonly byte[] _ring = new byte[capacity];
    private long _total;

    internal void Add(ReadOnlySpan<byte> received)
    {
        if (capacity == 0)
        {
            return;
        }

        lock (_gate)
        {
            var kept = received[Math.Max(0, received.Length - capacity)..];
            _total += received.Length - kept.Length;
            var at = (int)(_total % capacity);
            var first = Math.Min(kept.Length, capacity - at);
            kept[..first].CopyTo(_ring.AsSpan(at));
            kept[first..].CopyTo(_ring);
            _total += kept.Length;
        }
    }

    /// <summary>The last bytes, at most <paramref name="count"/>.</summary>
    internal byte[] Last(int count)
    {
        lock (_gate)
        {
            var length = (int)Math.Min(Math.Min(count, capacity), _total);
            var result = new byte[length];
            for (var i = 0; i < length; i++)
            {
                result[i] = _ring[(int)((_total - length + i) % capacity)];
            }

            return result;
        }
    }
}
