using System.Buffers.Binary;

namespace ChannelSdk.Protocol.Frames;

/// <summary>What reading a header from bytes of the peer can say.</summary>
internal enum HeaderStatus : byte
{
    Ok,
    NeedMore,
    Corrupt,
    /// <summary>A whole header with a right checksum, of another version.</summary>
    OtherVersion,
}

/// <summary>
/// The 24 bytes before every payload, little-endian (PROTOCOL.md section 3):
/// version u8, type u8, flags u16, stream u32, sequence u32, length u32, payload CRC32C u32, header CRC32C u32.
/// </summary>
internal readonly struct FrameHeader(FrameType type, DataFlags flags, uint stream, uint sequence, int length, uint payloadCrc, uint headerCrc)
{
    public const int Size = 24;
    public const byte Version = 1;
    /// <summary>Bit of <see cref="FrameType"/> that marks a sequenced frame.</summary>
    public const byte SequencedBit = 0x10;

    public FrameType Type { get; } = type;
    public DataFlags Flags { get; } = flags;
    public uint Stream { get; } = stream;
    public uint Sequence { get; } = sequence;
    /// <summary>Payload bytes. Up to uint.MaxValue on the wire; saturated, and checked by the link against its bound.</summary>
    public int Length { get; } = length;
    public uint PayloadCrc { get; } = payloadCrc;
    public uint HeaderCrc { get; } = headerCrc;

    public bool IsSequenced => ((byte)Type & SequencedBit) != 0;

    /// <summary>Writes header and payload as one frame and returns its size.</summary>
    public static int WriteFrame(Span<byte> target, FrameType type, DataFlags flags, uint stream, uint sequence, ReadOnlySpan<byte> payload)
    {
        payload.CopyTo(target[Size..]);
        target[0] = Version;
        target[1] = (byte)type;
        BinaryPrimitives.WriteUInt16LittleEndian(target[2..], (ushort)flags);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], stream);
        BinaryPrimitives.WriteUInt32LittleEndian(target[8..], sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(target[12..], (uint)payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[16..], payload.IsEmpty ? 0 : Crc32C.Compute(payload));
        BinaryPrimitives.WriteUInt32LittleEndian(target[20..], Crc32C.Compute(target[..20]));
        return Size + payload.Length;
    }

    /// <summary>Reads a header; its CRC is checked before any field is believed.</summary>
    public static HeaderStatus TryRead(ReadOnlySpan<byte> untrustedBytes, out FrameHeader header)
    {
        header = default;
        if (untrustedBytes.Length < Size)
        {
            return HeaderStatus.NeedMore;
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[20..]) != Crc32C.Compute(untrustedBytes[..20]))
        {
            return HeaderStatus.Corrupt;
        }

        if (untrustedBytes[0] != Version)
        {
            return HeaderStatus.OtherVersion;
        }

        header = new FrameHeader(
            (FrameType)untrustedBytes[1],
            (DataFlags)BinaryPrimitives.ReadUInt16LittleEndian(untrustedBytes[2..]),
            BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[8..]),
            (int)Math.Min(int.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[12..])),
            BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[16..]),
            BinaryPrimitives.ReadUInt32LittleEndian(untrustedBytes[20..]));
        return HeaderStatus.Ok;
    }

    /// <summary>Adds a flag to a frame that this side wrote itself, or takes it away.</summary>
    public static void SetFlag(Span<byte> frame, DataFlags flag, bool isSo)
    {
        frame[2] = (byte)(isSo ? frame[2] | (byte)flag : frame[2] & ~(byte)flag);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[20..], Crc32C.Compute(frame[..20]));
    }

    /// <summary>Length and sequence of a frame that this side wrote itself (no checks).</summary>
    public static (int FrameSize, uint Sequence) ReadOwn(ReadOnlySpan<byte> frame) =>
        (Size + BinaryPrimitives.ReadInt32LittleEndian(frame[12..]), BinaryPrimitives.ReadUInt32LittleEndian(frame[8..]));
}
