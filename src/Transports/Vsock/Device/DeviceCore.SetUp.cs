using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>What the front-end sets up and takes away.</summary>
internal sealed partial class DeviceCore
{
    /// <summary>Takes a new memory table, also under running queues.</summary>
    /// <exception cref="DeviceFaultException">A running queue is not in it.</exception>
    internal void SetMemory(GuestMemory memory)
    {
        lock (_gate)
        {
            GuestMemory? old = _memory;
            _memory = memory;
            try
            {
                _receive?.Ring.Locate(memory);
                _transmit?.Ring.Locate(memory);
            }
            catch (DeviceFaultException)
            {
                // The rings still lead into the old table, which goes.
                Clear();
                throw;
            }
            finally
            {
                old?.Dispose();
            }
        }
    }

    /// <summary>Starts a queue. The connections live on if it begins where it was stopped, as after a pause.</summary>
    /// <param name="isTransmit">Which of the two.</param>
    /// <param name="size">Descriptors.</param>
    /// <param name="addresses">Where it is.</param>
    /// <param name="firstIndex">The available index to begin with.</param>
    /// <param name="usesEventIndex">Whether VIRTIO_F_EVENT_IDX was negotiated.</param>
    /// <param name="call">What interrupts the guest.</param>
    /// <exception cref="DeviceFaultException">It cannot be.</exception>
    internal void StartQueue(
        bool isTransmit, uint size, RingAddresses addresses, ushort firstIndex, bool usesEventIndex, SafeFd? call)
    {
        lock (_gate)
        {
            if (_memory is not { } memory)
            {
                throw new DeviceFaultException("a queue without a memory table");
            }
            ref ushort? stopped = ref isTransmit ? ref _stoppedTransmit : ref _stoppedReceive;
            if (stopped is { } last && last != firstIndex)
            {
                // The driver began anew: it knows none of the connections.
                _router.EndAll();
            }
            stopped = null;
            var ring = new SplitQueue(
                isTransmit ? "transmit" : "receive", size, addresses, firstIndex, takesWritable: !isTransmit, usesEventIndex, memory);
            ref DeviceQueue? queue = ref isTransmit ? ref _transmit : ref _receive;
            queue = new DeviceQueue(ring, call);
            if (!isTransmit)
            {
                ring.DisableKicks();
            }
            SchedulePump();
        }
    }

    /// <summary>Stops a queue; nothing of it is touched afterwards.</summary>
    /// <returns>The available index that comes next, null if it did not run.</returns>
    internal ushort? StopQueue(bool isTransmit)
    {
        lock (_gate)
        {
            ref DeviceQueue? queue = ref isTransmit ? ref _transmit : ref _receive;
            if (queue is null)
            {
                return null;
            }
            // What was taken must be given back, or the guest never has it again.
            queue.Publish();
            ushort next = queue.Ring.NextIndex;
            queue = null;
            (isTransmit ? ref _stoppedTransmit : ref _stoppedReceive) = next;
            return next;
        }
    }

    /// <summary>Exchanges what interrupts the guest.</summary>
    internal void SetCall(bool isTransmit, SafeFd? call)
    {
        lock (_gate)
        {
            if ((isTransmit ? _transmit : _receive) is { } queue)
            {
                queue.Call = call;
            }
        }
    }

    public void Dispose()
    {
        _showTimer.Dispose();
        _restTimer.Dispose();
    }

    /// <summary>The front-end has gone: all connections end, and the guest's memory is let go.</summary>
    internal void Clear()
    {
        lock (_gate)
        {
            _receive = null;
            _transmit = null;
            _stoppedReceive = null;
            _stoppedTransmit = null;
            _memory?.Dispose();
            _memory = null;
            _waitForBuffers.Clear();
            _router.EndAll();
        }
    }
}
