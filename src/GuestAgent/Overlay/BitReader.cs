namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>Bits of a byte stream, the lowest first (RFC 1951, 3.1.1).</summary>
/// <param name="input">Where the bytes come from.</param>
internal sealed class BitReader(Stream input)
{
    private readonly byte[] _buffer = new byte[16 << 10];
    private int _start;
    private int _end;
    private ulong _bits;
    private int _count;

    /// <summary>So many bits, at most 32, without taking them; zeros stand for those behind the end.</summary>
    public uint Peek(int count)
    {
        while (_count < count && TryNextByte(out var next))
        {
            _bits |= (ulong)next << _count;
            _count += 8;
        }

        return (uint)(_bits & ((1UL << count) - 1));
    }

    /// <summary>Takes bits that were peeked at.</summary>
    public void Drop(int count)
    {
        if (count > _count)
        {
            throw ArchiveFailure.Broken("it ends too early");
        }

        _bits >>= count;
        _count -= count;
    }

    /// <summary>Takes bits.</summary>
    public uint Read(int count)
    {
        var value = Peek(count);
        Drop(count);
        return value;
    }

    /// <summary>Goes on at the next whole byte.</summary>
    public void Align() => Drop(_count & 7);

    /// <summary>Takes whole bytes; after <see cref="Align"/>.</summary>
    public void ReadBytes(Span<byte> output)
    {
        while (!output.IsEmpty)
        {
            if (_count > 0)
            {
                output[0] = (byte)Read(8);
                output = output[1..];
                continue;
            }

            if (_start == _end && !Fill())
            {
                throw ArchiveFailure.Broken("it ends too early");
            }

            var length = Math.Min(output.Length, _end - _start);
            _buffer.AsSpan(_start, length).CopyTo(output);
            _start += length;
            output = output[length..];
        }
    }

    /// <summary>Whether nothing is left; after <see cref="Align"/>.</summary>
    public bool IsAtEnd() => _count == 0 && _start == _end && !Fill();

    private bool TryNextByte(out byte next)
    {
        next = 0;
        if (_start == _end && !Fill())
        {
            return false;
        }

        next = _buffer[_start++];
        return true;
    }

    private bool Fill()
    {
        (_start, _end) = (0, input.Read(_buffer));
        return _end > 0;
    }
}
