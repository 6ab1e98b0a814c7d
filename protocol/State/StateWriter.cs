using System.Buffers.Binary;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.State;

/// <summary>Writes fields of a state one behind the other, little-endian, in the order in which <see cref="StateReader"/> reads them.</summary>
/// <param name="target">Where they go.</param>
/// <param name="buffers">What the memory is of that fields refer to.</param>
internal ref struct StateWriter(Span<byte> target, ArenaPool buffers)
{
    private readonly Span<byte> _target = target;

    /// <summary>Bytes that were written.</summary>
    public int Length { get; private set; }

    public void Byte(byte value) => Next(1)[0] = value;

    public void Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

    public void Int32(int value) => BinaryPrimitives.WriteInt32LittleEndian(Next(sizeof(int)), value);

    public void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Next(sizeof(uint)), value);

    public void Int64(long value) => BinaryPrimitives.WriteInt64LittleEndian(Next(sizeof(long)), value);

    public void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Next(sizeof(ulong)), value);

    public void UInt128(UInt128 value) => BinaryPrimitives.WriteUInt128LittleEndian(Next(16), value);

    public void Values(in StreamClassValues values)
    {
        Int32(values.Control);
        Int32(values.Rpc);
        Int32(values.Bulk);
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        Int32(bytes.Length);
        bytes.CopyTo(Next(bytes.Length));
    }

    /// <summary>Where memory is; none is of length 0.</summary>
    public void Buffer(ReadOnlyMemory<byte> buffer)
    {
        Int32(buffer.Length);
        Int64(buffer.IsEmpty ? 0 : buffers.OffsetOf(buffer));
    }

    private Span<byte> Next(int size)
    {
        var next = _target.Slice(Length, size);
        Length += size;
        return next;
    }
}
