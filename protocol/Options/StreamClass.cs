using System.Buffers.Binary;

namespace ChannelSdk.Protocol.Options;

/// <summary>Priority class of a stream; a lower class never waits behind a higher number (PROTOCOL.md section 6).</summary>
public enum StreamClass : byte
{
    /// <summary>Freeze, power, info: first on the wire and outside of the session's credit.</summary>
    Control = 0,
    /// <summary>Ordinary calls.</summary>
    Rpc = 1,
    /// <summary>Copies and other large transfers.</summary>
    Bulk = 2,
}

/// <summary>One number for each stream class.</summary>
/// <param name="Control">For <see cref="StreamClass.Control"/>.</param>
/// <param name="Rpc">For <see cref="StreamClass.Rpc"/>.</param>
/// <param name="Bulk">For <see cref="StreamClass.Bulk"/>.</param>
public readonly record struct StreamClassValues(int Control, int Rpc, int Bulk)
{
    /// <summary>How many classes there are.</summary>
    public const int Count = 3;

    /// <summary>The value of a class.</summary>
    public int this[StreamClass streamClass] => this[(int)streamClass];

    internal int this[int index] => index switch { 0 => Control, 1 => Rpc, _ => Bulk };

    internal int Smallest => Math.Min(Control, Math.Min(Rpc, Bulk));

    internal static StreamClassValues ReadInt32(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadInt32LittleEndian(bytes),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]));

    internal static StreamClassValues ReadUInt16(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt16LittleEndian(bytes),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]),
        BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]));
}
