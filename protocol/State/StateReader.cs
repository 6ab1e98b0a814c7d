using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.State;

/// <summary>
/// Reads what <see cref="StateWriter"/> has written, in memory that a process which a guest has taken over may have written instead: each
/// method throws for what is not there, and its caller checks what it means.
/// </summary>
/// <param name="untrusted">The fields.</param>
/// <param name="buffers">What the memory is of that fields refer to.</param>
internal ref struct StateReader(ReadOnlySpan<byte> untrusted, ArenaPool buffers)
{
    private ReadOnlySpan<byte> _rest = untrusted;

    public byte Byte() => Next(1)[0];

    public bool Flag() => Byte() switch { 0 => false, 1 => true, var other => throw Broken($"a flag of {other}") };

    public int Int32() => BinaryPrimitives.ReadInt32LittleEndian(Next(sizeof(int)));

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Next(sizeof(uint)));

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Next(sizeof(long)));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Next(sizeof(ulong)));

    public UInt128 UInt128() => BinaryPrimitives.ReadUInt128LittleEndian(Next(16));

    /// <summary>A number that is not negative.</summary>
    public int Count() => Int32() is >= 0 and var count ? count : throw Broken("a negative count");

    /// <summary>As <see cref="Count"/>, of 64 bits.</summary>
    public long Amount() => Int64() is >= 0 and var amount ? amount : throw Broken("a negative amount");

    public StreamClassValues Values() => new(Int32(), Int32(), Int32());

    /// <summary>Bytes, at most so many.</summary>
    public ReadOnlySpan<byte> Bytes(int most)
    {
        var length = Int32();
        Require(length >= 0 && length <= most, "more bytes than there may be");
        return Next(length);
    }

    /// <summary>Memory that is the reader's from now on, or none.</summary>
    public Memory<byte> Buffer()
    {
        var (length, offset) = (Count(), Int64());
        return length == 0 ? default : buffers.Adopt(offset, length);
    }

    /// <summary>Memory that is a piece of a block, or none.</summary>
    public Memory<byte> PieceOf(Memory<byte> block)
    {
        var (length, offset) = (Count(), Int64());
        if (length == 0)
        {
            return default;
        }

        var start = block.IsEmpty ? -1 : offset - buffers.OffsetOf(block);
        Require(start >= 0 && start + length <= block.Length, "a write outside of its memory");
        return block.Slice((int)start, length);
    }

    /// <summary>Throws for what cannot be.</summary>
    /// <exception cref="ChannelException">It is not so (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public static void Require(bool isSo, string otherwise)
    {
        if (!isSo)
        {
            throw Broken(otherwise);
        }
    }

    private ReadOnlySpan<byte> Next(int size)
    {
        Require(size <= _rest.Length, "fewer fields than it must have");
        var next = _rest[..size];
        _rest = _rest[size..];
        return next;
    }

    private static ChannelException Broken(string what) =>
        new(ChannelError.WorkerFailed, ErrorClass.Fatal, $"the state that a worker has left has {what}");
}
