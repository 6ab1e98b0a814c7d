namespace ChannelSdk.Hypervisors;

/// <summary>The last bytes of an output that may never end. It can be read while it is written.</summary>
/// <param name="size">Bytes that are kept.</param>
internal sealed class TailBuffer(int size)
{
    private readonly Lock _gate = new();
    private readonly byte[] _ring = new byte[size];
    private long _total;

    /// <summary>Adds to the end.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            var kept = bytes[^Math.Min(bytes.Length, size)..];
            for (_total += bytes.Length - kept.Length; !kept.IsEmpty;)
            {
                var at = (int)(_total % size);
                var count = Math.Min(kept.Length, size - at);
                kept[..count].CopyTo(_ring.AsSpan(at));
                _total += count;
                kept = kept[count..];
            }
        }
    }

    /// <summary>What is kept now.</summary>
    public byte[] ToArray()
    {
        lock (_gate)
        {
            var at = (int)(_total % size);
            return _total <= size ? _ring[..(int)_total] : [.. _ring.AsSpan(at), .. _ring.AsSpan(0, at)];
        }
    }
}
