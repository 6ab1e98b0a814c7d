namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>A canonical prefix code of deflate (RFC 1951, 3.2.2), made from the lengths of its code words.</summary>
internal sealed class HuffmanCode
{
    private const int MaxBits = 15;
    private const int FastBits = 9;
    // Symbol shifted by four, or the length: of words with at most nine bits, by the word in the order in which it is read.
    private readonly ushort[] _fast = new ushort[1 << FastBits];
    private readonly ushort[] _counts = new ushort[MaxBits + 1];
    private readonly ushort[] _symbols;

    /// <summary>Makes the code.</summary>
    /// <param name="lengths">Bits of each symbol's word; 0: the symbol has none.</param>
    /// <param name="mayBeIncomplete">Whether one single word of one bit, or none, is allowed: for distances.</param>
    public HuffmanCode(ReadOnlySpan<byte> lengths, bool mayBeIncomplete)
    {
        foreach (var length in lengths)
        {
            _counts[length]++;
        }

        var used = lengths.Length - _counts[0];
        _counts[0] = 0;
        var left = 1;
        for (var bits = 1; bits <= MaxBits; bits++)
        {
            left = (left << 1) - _counts[bits];
            if (left < 0)
            {
                throw ArchiveFailure.Broken("its compressed data are damaged (a code has too many words)");
            }
        }

        if (left > 0 && !(mayBeIncomplete && used == _counts[1] && used <= 1))
        {
            throw ArchiveFailure.Broken("its compressed data are damaged (a code has too few words)");
        }

        Span<ushort> offsets = stackalloc ushort[MaxBits + 2];
        for (var bits = 1; bits <= MaxBits; bits++)
        {
            offsets[bits + 1] = (ushort)(offsets[bits] + _counts[bits]);
        }

        _symbols = new ushort[used];
        for (var symbol = 0; symbol < lengths.Length; symbol++)
        {
            if (lengths[symbol] != 0)
            {
                _symbols[offsets[lengths[symbol]]++] = (ushort)symbol;
            }
        }

        FillFast();
    }

    /// <summary>Takes the next symbol.</summary>
    public int Decode(BitReader input)
    {
        var bits = input.Peek(MaxBits);
        var fast = _fast[bits & ((1 << FastBits) - 1)];
        if (fast != 0)
        {
            input.Drop(fast & 0xF);
            return fast >> 4;
        }

        var code = 0;
        var first = 0;
        var index = 0;
        for (var length = 1; length <= MaxBits; length++)
        {
            code |= (int)(bits >> (length - 1)) & 1;
            int count = _counts[length];
            if (code - count < first)
            {
                input.Drop(length);
                return _symbols[index + code - first];
            }

            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }

        throw ArchiveFailure.Broken("its compressed data are damaged (a word of no code)");
    }

    private void FillFast()
    {
        var code = 0;
        var index = 0;
        for (var length = 1; length <= FastBits; length++)
        {
            for (var i = 0; i < _counts[length]; i++, code++, index++)
            {
                var reversed = 0;
                for (var bit = 0; bit < length; bit++)
                {
                    reversed |= ((code >> bit) & 1) << (length - 1 - bit);
                }

                for (var at = reversed; at < _fast.Length; at += 1 << length)
                {
                    _fast[at] = (ushort)(_symbols[index] << 4 | length);
                }
            }

            code <<= 1;
        }
    }
}
