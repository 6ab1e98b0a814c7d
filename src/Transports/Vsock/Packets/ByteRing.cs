namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>A byte queue that grows by doubling, up to a bound that its user keeps.</summary>
internal sealed class ByteRing
{
    private const int FirstSize = 4096;

    private byte[] _ring = [];
    private int _head;

    internal int Count { get; private set; }

    /// <summary>Room for the bytes at its end, in one or two parts; <see cref="Commit"/> makes them count.</summary>
    internal void Reserve(int length, out Span<byte> first, out Span<byte> second)
    {
        if (Count + length > _ring.Length)
        {
            Grow(Count + length);
        }

        var tail = (_head + Count) % _ring.Length;
        var untilEnd = Math.Min(length, _ring.Length - tail);
        first = _ring.AsSpan(tail, untilEnd);
        second = _ring.AsSpan(0, length - untilEnd);
    }

    internal void Commit(int length) => Count += length;

    internal int Take(Span<byte> target)
    {
        var length = Math.Min(target.Length, Count);
        var first = Math.Min(length, _ring.Length - _head);
        _ring.AsSpan(_head, first).CopyTo(target);
        _ring.AsSpan(0, length - first).CopyTo(target[first..]);
        Count -= length;
        _head = Count == 0 ? 0 : (_head + length) % _ring.Length;
        return length;
    }

    /// <summary>Drops the bytes and the memory.</summary>
    internal void Clear()
    {
        _ring = [];
        _head = 0;
        Count = 0;
    }

    private void Grow(int needed)
    {
        var size = Math.Max(_ring.Length, FirstSize);
        while (size < needed)
        {
            size *= 2;
        }

        var larger = new byte[size];
        var count = Take(larger.AsSpan(0, Count));
        (_ring, _head, Count) = (larger, 0, count);
    }
}
