using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// The guest's memory and the two queues in it, as the front-end sets them up and takes them away. Everything is called
/// under the device's lock.
/// </summary>
/// <param name="turn">Counts what is read of the queues.</param>
internal sealed class DeviceRings(DeviceTurn turn)
{
    private DeviceQueue? _receive;
    private DeviceQueue? _transmit;
    private ushort? _stoppedReceive;
    private ushort? _stoppedTransmit;

    /// <summary>The guest's memory; null without a memory table.</summary>
    internal GuestMemory? Memory { get; private set; }

    /// <summary>The queue towards the guest, if it runs.</summary>
    internal DeviceQueue? Receive => _receive;

    /// <summary>The queue from the guest, if it runs.</summary>
    internal DeviceQueue? Transmit => _transmit;

    /// <summary>The chain that was taken last, of either queue.</summary>
    internal DescriptorChain Chain { get; } = new();

    /// <summary>Takes the next chain of a queue into <see cref="Chain"/>. False if the guest has given none.</summary>
    /// <exception cref="DeviceFaultException">The guest broke the queue.</exception>
    internal bool TryPop(DeviceQueue queue, GuestMemory memory)
    {
        var popped = queue.Ring.TryPop(memory, Chain);
        turn.Count(popped ? Chain.Work : 0);
        return popped;
    }

    /// <summary>Takes a new memory table, also under running queues. The old one is let go.</summary>
    /// <exception cref="DeviceFaultException">A running queue is not in it; it leads into the old table, and must not be used.</exception>
    internal void SetMemory(GuestMemory memory)
    {
        var old = Memory;
        Memory = memory;
        try
        {
            _receive?.Ring.Locate(memory);
            _transmit?.Ring.Locate(memory);
        }
        finally
        {
            old?.Dispose();
        }
    }

    /// <summary>Whether a queue that begins at an index does not go on where it was stopped: the guest's driver is a new one.</summary>
    internal bool IsRestart(bool isTransmit, ushort firstIndex) =>
        (isTransmit ? _stoppedTransmit : _stoppedReceive) is { } last && last != firstIndex;

    /// <summary>Starts a queue; parameters as those of <see cref="DeviceCore.StartQueue"/>.</summary>
    /// <exception cref="DeviceFaultException">It cannot be.</exception>
    internal void Start(bool isTransmit, uint size, RingAddresses addresses, ushort firstIndex, bool usesEventIndex, SafeFd? call)
    {
        if (Memory is not { } memory)
        {
            throw new DeviceFaultException("a queue without a memory table");
        }

        (isTransmit ? ref _stoppedTransmit : ref _stoppedReceive) = null;
        var ring = new SplitQueue(
            isTransmit ? "transmit" : "receive", size, addresses, firstIndex, takesWritable: !isTransmit, usesEventIndex, memory);
        (isTransmit ? ref _transmit : ref _receive) = new DeviceQueue(ring, call);
        if (!isTransmit)
        {
            ring.DisableKicks();
        }
    }

    /// <summary>The used index of a queue that does not run yet.</summary>
    /// <exception cref="DeviceFaultException">It is not in the guest's memory.</exception>
    internal ushort UsedIndex(RingAddresses addresses) => Memory is { } memory
        ? SplitQueue.UsedIndexOf(memory, addresses) : throw new DeviceFaultException("a queue without a memory table");

    /// <summary>Stops a queue; nothing of it is touched afterwards.</summary>
    /// <returns>The available index that comes next, null if it did not run.</returns>
    internal ushort? Stop(bool isTransmit)
    {
        ref var queue = ref isTransmit ? ref _transmit : ref _receive;
        if (queue is null)
        {
            return null;
        }
        // What was taken must be given back, or the guest never has it again.
        queue.Publish();
        var next = queue.Ring.NextIndex;
        queue = null;
        (isTransmit ? ref _stoppedTransmit : ref _stoppedReceive) = next;
        return next;
    }

    /// <summary>Exchanges what interrupts the guest.</summary>
    internal void SetCall(bool isTransmit, SafeFd? call)
    {
        if ((isTransmit ? _transmit : _receive) is { } queue)
        {
            queue.Call = call;
        }
    }

    /// <summary>Lets the queues and the memory go.</summary>
    internal void Clear()
    {
        _receive = null;
        _transmit = null;
        _stoppedReceive = null;
        _stoppedTransmit = null;
        Memory?.Dispose();
        Memory = null;
    }
}
