using System.Buffers;

namespace ChannelSdk.Channels.Links;

/// <summary>
/// The bytes that were received on a link and not taken yet, with room behind them: small while little comes, large under load. Not
/// thread-safe.
/// </summary>
/// <param name="min">Bytes of the small one.</param>
/// <param name="max">Bytes of the large one.</param>
internal sealed class ReceiveBuffer(int min, int max)
{
    /// <summary>So many receives in a row that a small buffer would do for make it small again.</summary>
    internal const int IdleReceives = 32;

    private byte[] _bytes = [];
    private int _start;
    private int _end;
    private int _small;

    /// <summary>Bytes of memory in use.</summary>
    public int Size => _bytes.Length;

    /// <summary>What was received and not taken.</summary>
    public ReadOnlySpan<byte> Unread => _bytes.AsSpan(_start, _end - _start);

    /// <summary>A link begins: takes memory from the pool.</summary>
    public void Open() => (_bytes, _start, _end, _small) = (ArrayPool<byte>.Shared.Rent(min), 0, 0, 0);

    /// <summary>The link has ended: gives the memory back, and drops what is unread.</summary>
    public void Close()
    {
        ArrayPool<byte>.Shared.Return(_bytes);
        (_bytes, _start, _end) = ([], 0, 0);
    }

    /// <summary>Memory for the next bytes, at least one. It stays where it is until the next call of this or <see cref="Close"/>.</summary>
    public Memory<byte> GetSpace()
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }

        var size = _bytes.Length;
        if (_end == size && _start < size / 2)
        {
            Move(max);
        }
        else if (_small > IdleReceives && _end == 0 && size > min)
        {
            _small = 0;
            Move(min);
        }
        else if (_end == size)
        {
            Move(size);
        }

        return _bytes.AsMemory(_end);
    }

    /// <summary>So many bytes came into the space.</summary>
    public void Add(int count)
    {
        _end += count;
        _small = count * 8L < _bytes.Length ? _small + 1 : 0;
    }

    /// <summary>So many of the unread bytes are done with. The space behind them is as it was: a receive may be under way there.</summary>
    public void Consume(int count) => _start += count;

    /// <summary>All unread bytes are done with.</summary>
    public void ConsumeAll() => _start = _end;

    private void Move(int size)
    {
        var held = _end - _start;
        if (size == _bytes.Length)
        {
            Unread.CopyTo(_bytes);
        }
        else
        {
            var next = ArrayPool<byte>.Shared.Rent(size);
            Unread.CopyTo(next);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = next;
        }

        (_start, _end) = (0, held);
    }
}
