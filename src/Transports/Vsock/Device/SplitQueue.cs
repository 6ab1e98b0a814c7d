using System.Runtime.CompilerServices;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// The device's side of a split virtqueue (virtio 1.2, section 2.7). Everything in it belongs to the guest: each value
/// is read once, into a local, and checked before use. Its owner serializes the calls.
/// </summary>
internal sealed unsafe class SplitQueue
{
    /// <summary>The longest queue, in descriptors, that is taken.</summary>
    internal const uint MaxSize = 1024;

    /// <summary>The most descriptors of one chain. Linux' driver uses up to 18; each one is work that the guest makes for us.</summary>
    internal const uint MaxChain = 64;

    private const ushort NoInterrupt = 1;
    private const ushort NoNotify = 1;

    private readonly string _name;
    private readonly RingAddresses _addresses;
    private readonly uint _size;
    private readonly uint _mask;
    private readonly bool _usesEventIndex;
    private readonly bool _takesWritable;
    private byte* _descriptors;
    private byte* _available;
    private byte* _used;
    private ushort _next;
    private ushort _nextUsed;
    private ushort _publishedUsed;
    private uint _unpublishedDescriptors;

    /// <summary>Sets the queue up.</summary>
    /// <param name="name">For fault texts.</param>
    /// <param name="size">Descriptors: a power of two up to <see cref="MaxSize"/>.</param>
    /// <param name="addresses">Where it is.</param>
    /// <param name="firstIndex">The available index to begin with.</param>
    /// <param name="takesWritable">Whether its chains are for the device to write, as those of the receive queue.</param>
    /// <param name="usesEventIndex">Whether VIRTIO_F_EVENT_IDX was negotiated.</param>
    /// <param name="memory">The guest's memory.</param>
    /// <exception cref="DeviceFaultException">The size or an address cannot be.</exception>
    internal SplitQueue(
        string name, uint size, RingAddresses addresses, ushort firstIndex, bool takesWritable, bool usesEventIndex, GuestMemory memory)
    {
        if (size is 0 or > MaxSize || (size & (size - 1)) != 0)
        {
            throw new DeviceFaultException($"a {name} queue of {size} descriptors; a power of two up to {MaxSize} is allowed");
        }

        (_name, _size, _mask, _addresses, _next) = (name, size, size - 1, addresses, firstIndex);
        (_takesWritable, _usesEventIndex) = (takesWritable, usesEventIndex);
        Locate(memory);
        _nextUsed = Volatile.Read(ref UsedIndex);
        _publishedUsed = _nextUsed;
    }

    /// <summary>The available index that comes next, for a successor to go on with.</summary>
    internal ushort NextIndex => _next;

    /// <summary>
    /// Whether the guest should be shown now what was given back, as it may soon lack descriptors: a quarter of the queue.
    /// </summary>
    internal bool PublishIsDue => _unpublishedDescriptors >= _size / 4;

    /// <summary>Whether chains were given back that the guest has not been shown.</summary>
    internal bool HasUnpublished => _nextUsed != _publishedUsed;

    /// <summary>Whether the guest has given a chain that was not taken.</summary>
    internal bool HasWaiting => Volatile.Read(ref AvailableIndex) != _next;

    private ref ushort AvailableFlags => ref *(ushort*)_available;

    private ref ushort AvailableIndex => ref *(ushort*)(_available + 2);

    private ref ushort UsedFlags => ref *(ushort*)_used;

    private ref ushort UsedIndex => ref *(ushort*)(_used + 2);

    /// <summary>Where the guest says which used index it wants an interrupt at.</summary>
    private ref ushort UsedEvent => ref *(ushort*)(_available + 4 + 2 * _size);

    /// <summary>Where we say which available index we want a kick at.</summary>
    private ref ushort AvailableEvent => ref *(ushort*)(_used + 4 + 8 * _size);

    /// <summary>The used index of a queue that is somewhere.</summary>
    /// <exception cref="DeviceFaultException">It is not in the guest's memory.</exception>
    internal static ushort UsedIndexOf(GuestMemory memory, RingAddresses addresses)
    {
        var used = memory.User(addresses.Used, 4);
        return used != null && ((nuint)used & 3) == 0 ? Volatile.Read(ref *(ushort*)(used + 2)) : throw new DeviceFaultException($"a used ring at {addresses.Used:x} that is not in the guest's memory");
    }

    /// <summary>Finds the queue again in a new memory table.</summary>
    /// <exception cref="DeviceFaultException">It is not there.</exception>
    internal void Locate(GuestMemory memory)
    {
        _descriptors = Locate(memory, _addresses.Descriptors, Descriptor.Size * _size, 16);
        _available = Locate(memory, _addresses.Available, 6 + 2 * _size, 2);
        _used = Locate(memory, _addresses.Used, 6 + 8 * _size, 4);
    }

    /// <summary>Takes the next chain. False if there is none.</summary>
    /// <exception cref="DeviceFaultException">The ring or the chain is not allowed.</exception>
    internal bool TryPop(GuestMemory memory, DescriptorChain chain)
    {
        var waiting = (ushort)(Volatile.Read(ref AvailableIndex) - _next);
        if (waiting == 0)
        {
            return false;
        }

        if (waiting > _size)
        {
            throw new DeviceFaultException($"an available index of the {_name} queue that jumps by {waiting} in a ring of {_size}");
        }

        var head = Volatile.Read(ref *(ushort*)(_available + 4 + 2 * (_next & _mask)));
        Collect(memory, chain, head);
        _next++;
        return true;
    }

    /// <summary>Puts the chain that was popped last back, so that the next pop gives it again.</summary>
    internal void Unpop() => _next--;

    /// <summary>Gives a chain back; <see cref="Publish"/> shows it to the guest.</summary>
    internal void Push(DescriptorChain chain, uint written)
    {
        var element = _used + 4 + 8 * (_nextUsed & _mask);
        Unsafe.WriteUnaligned(element, (uint)chain.Head);
        Unsafe.WriteUnaligned(element + 4, written);
        _nextUsed++;
        _unpublishedDescriptors += chain.Descriptors;
    }

    /// <summary>Shows the guest what was given back.</summary>
    /// <returns>Whether the guest wants an interrupt for it.</returns>
    internal bool Publish()
    {
        var old = _publishedUsed;
        _publishedUsed = _nextUsed;
        _unpublishedDescriptors = 0;
        Volatile.Write(ref UsedIndex, _nextUsed);
        // The guest writes its wish and then looks at the index; we write the index and then look at its wish.
        Interlocked.MemoryBarrier();
        if (_usesEventIndex)
        {
            // Virtio 1.2, section 2.7.7.1: wanted if the event index is among what was just published.
            return (ushort)(_nextUsed - Volatile.Read(ref UsedEvent) - 1) < (ushort)(_nextUsed - old);
        }

        return (Volatile.Read(ref AvailableFlags) & NoInterrupt) == 0;
    }

    /// <summary>Asks for no kicks until <see cref="EnableKicks"/>. With the event index nothing is to be done.</summary>
    internal void DisableKicks()
    {
        if (!_usesEventIndex)
        {
            Volatile.Write(ref UsedFlags, NoNotify);
        }
    }

    /// <summary>Asks for a kick with the next chain.</summary>
    /// <returns>Whether one came meanwhile, for which there may be no kick.</returns>
    internal bool EnableKicks()
    {
        if (_usesEventIndex)
        {
            Volatile.Write(ref AvailableEvent, _next);
        }
        else
        {
            Volatile.Write(ref UsedFlags, 0);
        }

        Interlocked.MemoryBarrier();
        return HasWaiting;
    }

    private void Collect(GuestMemory memory, DescriptorChain chain, ushort untrustedHead)
    {
        chain.Reset(untrustedHead);
        var table = _descriptors;
        var tableSize = _size;
        uint index = untrustedHead;
        var isIndirect = false;
        for (var left = Math.Min(_size, MaxChain) + 1; ; left--)
        {
            if (index >= tableSize)
            {
                throw new DeviceFaultException($"descriptor {index} in a table of {tableSize} of the {_name} queue");
            }

            if (left == 0)
            {
                throw new DeviceFaultException($"a descriptor chain of the {_name} queue of more than {Math.Min(_size, MaxChain)} descriptors, or a loop");
            }

            chain.Work++;
            var untrusted = Unsafe.ReadUnaligned<Descriptor>(table + (nuint)Descriptor.Size * index);
            if ((untrusted.Flags & Descriptor.IsIndirect) != 0)
            {
                if (isIndirect || (untrusted.Flags & Descriptor.HasNext) != 0)
                {
                    throw new DeviceFaultException($"an indirect table within a table or a chain of the {_name} queue");
                }

                table = Indirect(memory, untrusted);
                tableSize = untrusted.Length / Descriptor.Size;
                (isIndirect, index) = (true, 0);
                chain.Count();
                continue;
            }

            if ((untrusted.Flags & Descriptor.IsWritable) != 0 != _takesWritable)
            {
                throw new DeviceFaultException($"a descriptor of the wrong direction in the {_name} queue");
            }

            chain.Append(memory, untrusted.Address, untrusted.Length);
            if (!isIndirect)
            {
                chain.Count();
            }

            if ((untrusted.Flags & Descriptor.HasNext) == 0)
            {
                return;
            }

            index = untrusted.Next;
        }
    }

    private byte* Indirect(GuestMemory memory, in Descriptor untrusted)
    {
        if (untrusted.Length > 0 && untrusted.Length % Descriptor.Size == 0 && untrusted.Length / Descriptor.Size <= _size)
        {
            var table = memory.Guest(untrusted.Address, untrusted.Length, out var contiguous);
            if (table != null && contiguous == untrusted.Length)
            {
                return table;
            }
        }

        throw new DeviceFaultException($"an indirect table of {untrusted.Length} bytes at {untrusted.Address:x} in the {_name} queue");
    }

    private byte* Locate(GuestMemory memory, ulong address, uint length, uint alignment)
    {
        var found = memory.User(address, length);
        if (found == null || ((nuint)found & (alignment - 1)) != 0)
        {
            throw new DeviceFaultException($"a part of the {_name} queue that is not in the guest's memory or not aligned, at {address:x}");
        }

        return found;
    }
}
