using System.Buffers.Binary;

namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>
/// struct virtio_vsock_hdr (virtio 1.2, section 5.10.6): little-endian, before the data of every packet. Reading checks
/// nothing: the caller checks what came from the guest.
/// </summary>
internal struct VsockHeader
{
    /// <summary>Its size in bytes.</summary>
    internal const int Size = 44;

    /// <summary>VIRTIO_VSOCK_TYPE_STREAM.</summary>
    internal const ushort StreamType = 1;

    /// <summary>VMADDR_CID_HOST.</summary>
    internal const ulong HostCid = 2;

    public ulong SourceCid;
    public ulong DestinationCid;
    public uint SourcePort;
    public uint DestinationPort;
    public uint Length;
    public ushort Type;
    public VsockOperation Operation;
    public VsockShutdown Flags;
    public uint BufferAllocation;
    public uint ForwardCount;

    internal static VsockHeader Read(ReadOnlySpan<byte> source) => new()
    {
        SourceCid = BinaryPrimitives.ReadUInt64LittleEndian(source),
        DestinationCid = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        SourcePort = BinaryPrimitives.ReadUInt32LittleEndian(source[16..]),
        DestinationPort = BinaryPrimitives.ReadUInt32LittleEndian(source[20..]),
        Length = BinaryPrimitives.ReadUInt32LittleEndian(source[24..]),
        Type = BinaryPrimitives.ReadUInt16LittleEndian(source[28..]),
        Operation = (VsockOperation)BinaryPrimitives.ReadUInt16LittleEndian(source[30..]),
        Flags = (VsockShutdown)BinaryPrimitives.ReadUInt32LittleEndian(source[32..]),
        BufferAllocation = BinaryPrimitives.ReadUInt32LittleEndian(source[36..]),
        ForwardCount = BinaryPrimitives.ReadUInt32LittleEndian(source[40..]),
    };

    internal readonly void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, SourceCid);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], DestinationCid);
        BinaryPrimitives.WriteUInt32LittleEndian(target[16..], SourcePort);
        BinaryPrimitives.WriteUInt32LittleEndian(target[20..], DestinationPort);
        BinaryPrimitives.WriteUInt32LittleEndian(target[24..], Length);
        BinaryPrimitives.WriteUInt16LittleEndian(target[28..], Type);
        BinaryPrimitives.WriteUInt16LittleEndian(target[30..], (ushort)Operation);
        BinaryPrimitives.WriteUInt32LittleEndian(target[32..], (uint)Flags);
        BinaryPrimitives.WriteUInt32LittleEndian(target[36..], BufferAllocation);
        BinaryPrimitives.WriteUInt32LittleEndian(target[40..], ForwardCount);
    }
}

/// <summary>enum virtio_vsock_op.</summary>
internal enum VsockOperation : ushort
{
    /// <summary>Asks for a connection.</summary>
    Request = 1,
    /// <summary>Accepts one.</summary>
    Response = 2,
    /// <summary>Refuses or ends one at once.</summary>
    Reset = 3,
    /// <summary>Says what its sender will no longer do.</summary>
    Shutdown = 4,
    /// <summary>Carries data.</summary>
    Data = 5,
    /// <summary>Carries only the credit fields that every packet has.</summary>
    CreditUpdate = 6,
    /// <summary>Asks for a <see cref="CreditUpdate"/>.</summary>
    CreditRequest = 7,
}

/// <summary>The flags of <see cref="VsockOperation.Shutdown"/>.</summary>
[Flags]
internal enum VsockShutdown : uint
{
    None = 0,
    /// <summary>The sender will receive no more.</summary>
    Receive = 1,
    /// <summary>The sender will send no more.</summary>
    Send = 2,
    Both = Receive | Send,
}
