using System.Buffers.Binary;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What the payload of a front-end's request says (vhost-user protocol, "Front-end message types").</summary>
/// <param name="request">Which request it is.</param>
/// <param name="untrusted">As the front-end wrote it.</param>
internal readonly ref struct VhostUserPayload(VhostUserRequest request, ReadOnlySpan<byte> untrusted)
{
    private const int RegionSize = 32;

    private readonly ReadOnlySpan<byte> _untrusted = untrusted;

    /// <summary>The features that the front-end wants, of those that were offered.</summary>
    /// <exception cref="DeviceFaultException">Others, or none at all.</exception>
    internal ulong Features(ulong offered)
    {
        var wanted = BinaryPrimitives.ReadUInt64LittleEndian(Checked(8));
        return (wanted & ~offered) == 0 ? wanted : throw new DeviceFaultException($"features {wanted & ~offered:x}, which were not offered");
    }

    /// <summary>The memory table; the regions are checked by what maps them.</summary>
    /// <exception cref="DeviceFaultException">It has more regions than may be, or than are there.</exception>
    internal MemoryRegionInfo[] Regions()
    {
        var payload = Checked(8);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(payload);
        if (count > GuestMemory.MaxRegions || payload.Length < 8 + RegionSize * (int)count)
        {
            throw new DeviceFaultException($"a memory table of {count} regions in {payload.Length} bytes");
        }

        var regions = new MemoryRegionInfo[count];
        for (var i = 0; i < regions.Length; i++)
        {
            var at = payload.Slice(8 + RegionSize * i, RegionSize);
            regions[i] = new MemoryRegionInfo(
                BinaryPrimitives.ReadUInt64LittleEndian(at), BinaryPrimitives.ReadUInt64LittleEndian(at[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(at[16..]), BinaryPrimitives.ReadUInt64LittleEndian(at[24..]));
        }

        return regions;
    }

    /// <summary>Which queue it is for, below <see cref="VhostUser.Queues"/>.</summary>
    /// <exception cref="DeviceFaultException">The device has no such queue.</exception>
    internal int Queue()
    {
        var payload = Checked(8);
        var isShort = request is VhostUserRequest.SetRingKick or VhostUserRequest.SetRingCall;
        var index = isShort ? payload[0] : BinaryPrimitives.ReadUInt32LittleEndian(payload);
        return index < VhostUser.Queues ? (int)index : throw new DeviceFaultException($"a queue {index}; the device has {VhostUser.Queues}");
    }

    /// <summary>The number that a request for a queue carries.</summary>
    /// <exception cref="DeviceFaultException">There is none.</exception>
    internal uint Value() => BinaryPrimitives.ReadUInt32LittleEndian(Checked(8)[4..]);

    /// <summary>Whether a request for a queue says that it comes without a descriptor.</summary>
    /// <exception cref="DeviceFaultException">It is too short to say so.</exception>
    internal bool IsWithoutFile() => (BinaryPrimitives.ReadUInt64LittleEndian(Checked(8)) & VhostUser.NoDescriptor) != 0;

    /// <summary>Where a queue is.</summary>
    /// <exception cref="DeviceFaultException">It is too short to say so.</exception>
    internal RingAddresses Addresses()
    {
        var payload = Checked(40);
        return new RingAddresses(
            BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(payload[24..]));
    }

    /// <summary>Which bytes of the configuration are wanted: <paramref name="size"/> fits a reply, <paramref name="offset"/> lies within or at the end.</summary>
    /// <returns>The beginning of the payload, which the reply repeats.</returns>
    /// <exception cref="DeviceFaultException">They are not.</exception>
    internal ReadOnlySpan<byte> ConfigRange(out int offset, out int size)
    {
        var payload = Checked(VhostUser.ConfigHeaderSize);
        var from = BinaryPrimitives.ReadUInt32LittleEndian(payload);
        var wanted = BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]);
        if (wanted > VhostUser.MaxPayload - VhostUser.ConfigHeaderSize || from > VhostUser.ConfigSize)
        {
            throw new DeviceFaultException($"a read of {wanted} bytes of configuration at {from}");
        }

        (offset, size) = ((int)from, (int)wanted);
        return payload[..VhostUser.ConfigHeaderSize];
    }

    /// <summary>The number of a queue as it came, for a reply that repeats it.</summary>
    /// <exception cref="DeviceFaultException">There is none.</exception>
    internal ReadOnlySpan<byte> QueueBytes() => Checked(8)[..4];

    private ReadOnlySpan<byte> Checked(int needed) => _untrusted.Length >= needed
        ? _untrusted
        : throw new DeviceFaultException($"vhost-user request {(uint)request} with {_untrusted.Length} bytes; it has at least {needed}");
}
