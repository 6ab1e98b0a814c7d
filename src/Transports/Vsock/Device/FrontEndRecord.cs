using System.Buffers.Binary;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// What a front-end has said so far, as bytes for the next process that serves it. Its descriptors go with it in this order: the connection,
/// those of the memory regions, and of each queue the one for kicks and the one for interrupts, if it has them.
/// </summary>
/// <param name="Features">The features that it wants.</param>
/// <param name="Regions">Its memory table.</param>
/// <param name="Receive">The queue towards the guest.</param>
/// <param name="Transmit">The queue from the guest.</param>
internal sealed record FrontEndRecord(ulong Features, MemoryRegionInfo[] Regions, RingRecord Receive, RingRecord Transmit)
{
    private const int HeadSize = 12;
    private const int RingSize = 32;
    private const int RegionSize = 32;
    private const int HasAddresses = 1;
    private const int Enabled = 2;
    private const int Running = 4;
    private const int Kick = 8;
    private const int Call = 16;

    /// <summary>Most bytes of it.</summary>
    internal const int MostBytes = HeadSize + VhostUser.Queues * RingSize + GuestMemory.MaxRegions * RegionSize;

    /// <summary>How many descriptors go with it.</summary>
    internal int Files => 1 + Regions.Length + FilesOf(Receive) + FilesOf(Transmit);

    /// <summary>Encodes it.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, Features);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], Regions.Length);
        Write(target[HeadSize..], Receive);
        Write(target[(HeadSize + RingSize)..], Transmit);
        var at = HeadSize + VhostUser.Queues * RingSize;
        foreach (var region in Regions)
        {
            Write(target[at..], region.GuestAddress, region.Length, region.UserAddress, region.FileOffset);
            at += RegionSize;
        }

        return target[..at];
    }

    /// <summary>Decodes it; null if it is not one. The process that wrote it may have been taken over, so what uses a value checks it as the front-end's.</summary>
    internal static FrontEndRecord? Read(ReadOnlySpan<byte> untrusted)
    {
        const int fixedSize = HeadSize + VhostUser.Queues * RingSize;
        if (untrusted.Length < fixedSize)
        {
            return null;
        }

        var count = BinaryPrimitives.ReadInt32LittleEndian(untrusted[8..]);
        if (count is < 0 or > GuestMemory.MaxRegions || untrusted.Length != fixedSize + count * RegionSize)
        {
            return null;
        }

        var regions = new MemoryRegionInfo[count];
        for (var i = 0; i < count; i++)
        {
            var at = untrusted[(fixedSize + i * RegionSize)..];
            regions[i] = new MemoryRegionInfo(Number(at, 0), Number(at, 1), Number(at, 2), Number(at, 3));
        }

        return new FrontEndRecord(BinaryPrimitives.ReadUInt64LittleEndian(untrusted), regions, Ring(untrusted[HeadSize..]), Ring(untrusted[(HeadSize + RingSize)..]));
    }

    private static int FilesOf(in RingRecord ring) => (ring.HasKick ? 1 : 0) + (ring.HasCall ? 1 : 0);

    private static void Write(Span<byte> target, in RingRecord ring)
    {
        var flags = (ring.Addresses is null ? 0 : HasAddresses) | (ring.IsEnabled ? Enabled : 0) | (ring.IsRunning ? Running : 0) | (ring.HasKick ? Kick : 0) | (ring.HasCall ? Call : 0);
        var addresses = ring.Addresses ?? default;
        Write(target, ring.Size | ((ulong)ring.Base << 32) | ((ulong)flags << 48), addresses.Descriptors, addresses.Used, addresses.Available);
    }

    private static RingRecord Ring(ReadOnlySpan<byte> untrusted)
    {
        var first = Number(untrusted, 0);
        var flags = (int)(first >> 48);
        RingAddresses? addresses = (flags & HasAddresses) != 0 ? new RingAddresses(Number(untrusted, 1), Number(untrusted, 2), Number(untrusted, 3)) : null;
        return new RingRecord((uint)first, (ushort)(first >> 32), addresses, (flags & Enabled) != 0, (flags & Running) != 0, (flags & Kick) != 0, (flags & Call) != 0);
    }

    private static void Write(Span<byte> target, ulong first, ulong second, ulong third, ulong fourth)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, first);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], second);
        BinaryPrimitives.WriteUInt64LittleEndian(target[16..], third);
        BinaryPrimitives.WriteUInt64LittleEndian(target[24..], fourth);
    }

    private static ulong Number(ReadOnlySpan<byte> bytes, int index) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[(8 * index)..]);
}
