namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>Front-end requests that the back-end of a vsock device can get (vhost-user protocol, "Front-end message types").</summary>
internal enum VhostUserRequest : uint
{
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    ResetOwner = 4,
    SetMemoryTable = 5,
    SetRingSize = 8,
    SetRingAddress = 9,
    SetRingBase = 10,
    GetRingBase = 11,
    SetRingKick = 12,
    SetRingCall = 13,
    SetRingError = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueCount = 17,
    EnableRing = 18,
    GetConfig = 24,
    SetConfig = 25,
}

/// <summary>Numbers of the vhost-user protocol and of virtio.</summary>
internal static class VhostUser
{
    internal const uint VersionMask = 3;
    internal const uint Version = 1;
    internal const uint IsReply = 4;
    internal const uint NeedsReply = 8;

    /// <summary>In the payload of a message with a descriptor for a ring: there is none.</summary>
    internal const ulong NoDescriptor = 0x100;

    internal const ulong IndirectDescriptors = 1UL << 28;
    internal const ulong EventIndex = 1UL << 29;
    internal const ulong ProtocolFeatures = 1UL << 30;
    internal const ulong Version1 = 1UL << 32;
    internal const ulong OfferedFeatures = Version1 | ProtocolFeatures | EventIndex | IndirectDescriptors;

    internal const ulong ReplyAck = 1UL << 3;
    internal const ulong Config = 1UL << 9;
    internal const ulong OfferedProtocolFeatures = ReplyAck | Config;

    /// <summary>The queues that reach the back-end: receive and transmit. The event queue stays in the front-end.</summary>
    internal const int Queues = 2;

    /// <summary>struct virtio_vsock_config: the guest's CID (virtio 1.2, section 5.10.4).</summary>
    internal const int ConfigSize = 8;

    /// <summary>Offset, size and flags before the bytes of GET_CONFIG and its reply.</summary>
    internal const int ConfigHeaderSize = 12;

    /// <summary>The largest payload that a front-end may send, the one of SET_CONFIG or SET_MEM_TABLE with room to spare.</summary>
    internal const int MaxPayload = 512;
}
