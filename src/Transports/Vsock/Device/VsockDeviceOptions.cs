using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What a vsock device is, and what its guest can make it hold.</summary>
public sealed record VsockDeviceOptions
{
    /// <summary>The least CID of a guest: 0 to 2 are reserved (virtio 1.2, section 5.10.4).</summary>
    public const uint MinGuestCid = 3;

    /// <summary>Absolute path of the Unix socket that QEMU connects to. It is made by the device, for its user only.</summary>
    public required string SocketPath { get; init; }

    /// <summary>
    /// The CID that the guest has, <see cref="MinGuestCid"/> to 4294967294. It means nothing outside of this device:
    /// guests with a device each may have the same.
    /// </summary>
    public uint GuestCid { get; init; } = MinGuestCid;

    /// <summary>Connections at once, closing ones included, 1 to 65536. More are refused.</summary>
    public int MaxConnections { get; init; } = 128;

    /// <summary>
    /// Received bytes that may wait in one connection, 4 KiB to 16 MiB: the credit that the guest gets. Memory is taken
    /// only for bytes that wait.
    /// </summary>
    public int BufferBytes { get; init; } = 256 * 1024;

    /// <summary>
    /// Guest memory that the front-end may share, bytes, 1 MiB to 64 TiB. A table of more ends the device before any of it is mapped.
    /// The whole of it takes addresses of this process, which has 128 TiB of them for all its devices.
    /// </summary>
    public long MaxMemory { get; init; } = 1L << 40;

    /// <summary>
    /// Absolute path of a hybrid socket, as Firecracker and Cloud Hypervisor have one, for the ports without an
    /// endpoint: programs write <c>CONNECT port</c> to it to reach the guest, and the guest reaches programs that listen
    /// on the path with <c>_port</c> appended. Null for none: connections to other ports are refused.
    /// </summary>
    public string? HybridPath { get; init; }

    /// <summary>
    /// Whether endpoints take connections from any port of the guest. Off: from ports below 1024 only, which an unprivileged process of
    /// the guest cannot have. The programs of <see cref="HybridPath"/> get connections from any.
    /// </summary>
    public bool AnySourcePort { get; init; }

    internal void Validate()
    {
        Check(GuestCid is >= MinGuestCid and < uint.MaxValue, $"a guest CID of {GuestCid}; {MinGuestCid} to {uint.MaxValue - 1} are allowed");
        Check(MaxConnections is >= 1 and <= 65536, $"{MaxConnections} connections; 1 to 65536 are allowed");
        Check(BufferBytes is >= 4096 and <= 16 << 20, $"a buffer of {BufferBytes} bytes; 4096 to {16 << 20} are allowed");
        Check(MaxMemory is >= 1 << 20 and <= 1L << 46, $"a limit of {MaxMemory} bytes of guest memory; {1 << 20} to {1L << 46} are allowed");
    }

    private void Check(bool isRight, string what)
    {
        if (!isRight)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the vsock device at {SocketPath} has {what}");
        }
    }
}

/// <summary>A vsock device at one moment.</summary>
/// <param name="HasFrontEnd">Whether QEMU is connected.</param>
/// <param name="IsRunning">Whether the guest's driver has its queues running.</param>
/// <param name="Connections">Connections in its table.</param>
/// <param name="Violations">Packets of the guest so far that were not allowed.</param>
/// <param name="Faults">How often the guest or its front-end broke the device.</param>
/// <param name="LastFault">What the last one was, null for none.</param>
public readonly record struct VsockDeviceStatus(
    bool HasFrontEnd, bool IsRunning, int Connections, long Violations, int Faults, string? LastFault);
