using System.Buffers.Binary;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>Reads an input as choices and bytes; behind its end all is zero.</summary>
internal ref struct InputReader(ReadOnlySpan<byte> input)
{
    private ReadOnlySpan<byte> _left = input;

    /// <summary>Whether nothing is left.</summary>
    internal readonly bool IsEmpty => _left.IsEmpty;

    internal byte Byte()
    {
        if (_left.IsEmpty)
        {
            return 0;
        }

        var value = _left[0];
        _left = _left[1..];
        return value;
    }

    internal ushort UInt16()
    {
        Span<byte> bytes = stackalloc byte[2];
        Fill(bytes);
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    internal uint UInt32()
    {
        Span<byte> bytes = stackalloc byte[4];
        Fill(bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    internal ulong UInt64()
    {
        Span<byte> bytes = stackalloc byte[8];
        Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>The next bytes, fewer at the end.</summary>
    internal ReadOnlySpan<byte> Take(int most)
    {
        var taken = _left[..Math.Min(most, _left.Length)];
        _left = _left[taken.Length..];
        return taken;
    }

    private void Fill(scoped Span<byte> target)
    {
        var taken = Take(target.Length);
        taken.CopyTo(target);
        target[taken.Length..].Clear();
    }
}
