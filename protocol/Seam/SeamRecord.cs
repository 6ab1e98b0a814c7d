using System.Runtime.InteropServices;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// What stands before the data of a record (docs/SEAM.md): 64 bytes in the order of the processor, as both processes run on the same one.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Size)]
internal struct SeamRecord
{
    public const int Size = 64;

    /// <summary>A session's number.</summary>
    public UInt128 Id;
    /// <summary>A time in microseconds of the monotonic clock, or in Unix milliseconds, or a length: the kind says which.</summary>
    public long First;
    /// <summary>As <see cref="First"/>.</summary>
    public long Second;
    /// <summary>Number of the call; 0 for none.</summary>
    public uint Call;
    /// <summary>Bytes of data behind this.</summary>
    public int Length;
    /// <summary>Bytes of a name at the begin of the data, or a small number.</summary>
    public int Extra;
    /// <summary>An error code, or a state's detail.</summary>
    public ushort Code;
    public SeamKind Kind;
    /// <summary>Class of a stream or an error, or a state's word; in its upper half <see cref="SeamFlags"/>.</summary>
    public byte Bits;

    /// <summary>The lower half of <see cref="Bits"/>.</summary>
    public readonly byte Value => (byte)(Bits & 0x0F);

    /// <summary>The upper half.</summary>
    public readonly SeamFlags Flags => (SeamFlags)(Bits & 0xF0);

    /// <summary>Bytes in the ring for a record with so many bytes of data.</summary>
    public static int Room(int length) => Size + ((length + Size - 1) & ~(Size - 1));
}

/// <summary>Flags of a record.</summary>
[Flags]
internal enum SeamFlags : byte
{
    None = 0,
    /// <summary>The sender's direction of the call ends with this message.</summary>
    Fin = 0x10,
    /// <summary>The call is a stream.</summary>
    IsStream = 0x20,
    /// <summary>The session is an earlier one, resumed.</summary>
    IsResumed = 0x40,
}
