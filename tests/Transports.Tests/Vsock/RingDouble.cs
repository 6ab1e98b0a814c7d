using System.Runtime.InteropServices;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>The driver's side of a split virtqueue, in a guest's memory. Writes any values.</summary>
internal sealed class RingDouble(GuestRam ram, int offset, uint size, bool usesEventIndex)
{
    /// <summary>The bytes that a ring of up to 128 descriptors takes, page by page.</summary>
    internal const int Room = 3 * 4096;

    private ushort _nextAvailable;
    private ushort _kicked;
    private ushort _nextUsed;

    internal uint Size => size;

    internal ulong[] UserAddresses => [GuestRam.UserBase + (ulong)offset, GuestRam.UserBase + (ulong)offset + 8192, GuestRam.UserBase + (ulong)offset + 4096];

    internal ref ushort AvailableIndex => ref ram.Word(offset + 4096 + 2);

    internal ref ushort UsedIndex => ref ram.Word(offset + 8192 + 2);

    internal static void Describe(Span<byte> at, ulong address, uint length, ushort flags, ushort next) =>
        MemoryMarshal.Write(at, new Descriptor { Address = address, Length = length, Flags = flags, Next = next });

    internal void Describe(uint index, ulong address, uint length, ushort flags, ushort next = 0) =>
        Describe(ram.At(offset + (int)(index % size) * Descriptor.Size, Descriptor.Size), address, length, flags, next);

    /// <summary>Makes a chain available.</summary>
    internal void Offer(ushort head)
    {
        ram.Word(offset + 4096 + 4 + 2 * (int)(_nextAvailable % size)) = head;
        _nextAvailable++;
        Volatile.Write(ref AvailableIndex, _nextAvailable);
    }

    /// <summary>Whether the device wants a kick for what was offered since the last call.</summary>
    internal bool WantsKick()
    {
        Interlocked.MemoryBarrier();
        var old = _kicked;
        _kicked = _nextAvailable;
        if (old == _nextAvailable)
        {
            return false;
        }

        return usesEventIndex
            ? (ushort)(_nextAvailable - ram.Word(offset + 8192 + 4 + 8 * (int)size) - 1) < (ushort)(_nextAvailable - old)
            : (ram.Word(offset + 8192) & 1) == 0;
    }

    /// <summary>Whether the device gave a chain back; asks for an interrupt with the next one if not.</summary>
    internal bool HasUsed()
    {
        if (Volatile.Read(ref UsedIndex) != _nextUsed)
        {
            return true;
        }

        if (usesEventIndex)
        {
            Volatile.Write(ref ram.Word(offset + 4096 + 4 + 2 * (int)size), _nextUsed);
        }

        Interlocked.MemoryBarrier();
        return Volatile.Read(ref UsedIndex) != _nextUsed;
    }

    /// <summary>The chain that the device gave back next.</summary>
    internal (ushort Head, int Written) PeekUsed()
    {
        var element = ram.At(offset + 8192 + 4 + 8 * (int)(_nextUsed % size), 8);
        return ((ushort)MemoryMarshal.Read<uint>(element), MemoryMarshal.Read<int>(element[4..]));
    }

    internal void PopUsed() => _nextUsed++;
}
