using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// What the device does with its rings: moves packets between them and the connections. One lock guards the rings, the
/// guest's memory and the router; nothing of a user runs under it.
/// </summary>
/// <remarks>
/// Data is copied once: a send copies from its buffer into the guest's receive buffers, and a waiting receive takes its
/// packets from the guest's ring itself. Only bytes without a waiting receive go through a connection's buffer, within
/// the credit that the guest has.
/// </remarks>
internal sealed class DeviceCore : IReactorWork, IDisposable
{
    private readonly Lock _gate = new();
    private readonly VsockRouter _router;
    private readonly DeviceTurn _turn;
    private readonly DeviceRings _rings;
    private readonly PacketWriter _writer;
    private readonly PacketReader _reader;

    /// <summary>Makes a device without front-end.</summary>
    /// <param name="guestCid">The guest's CID.</param>
    /// <param name="limits">What the guest can make it hold.</param>
    /// <param name="reactor">Where it runs.</param>
    internal DeviceCore(ulong guestCid, VsockLimits limits, IoReactor reactor)
    {
        _router = new VsockRouter(guestCid, limits);
        _turn = new DeviceTurn(_gate, reactor, this);
        _rings = new DeviceRings(_turn);
        _writer = new PacketWriter(_rings, _turn, _router);
        _reader = new PacketReader(_gate, _rings, _turn, _router, _writer);
    }

    /// <summary>Told, under the lock, that the guest broke its rings and that the device has ended.</summary>
    internal Action<string>? OnFault { get; set; }

    /// <summary>Whether the guest's driver has both rings running.</summary>
    internal bool IsRunning
    {
        get
        {
            lock (_gate)
            {
                return _rings.Receive is not null && _rings.Transmit is not null;
            }
        }
    }

    /// <summary>The connections in the table, and the packets that were not allowed so far.</summary>
    internal (int Connections, long Violations) Counters
    {
        get
        {
            lock (_gate)
            {
                return (_router.Count, _router.Violations);
            }
        }
    }

    /// <summary>Runs an action on the router under the lock, and sends what it made.</summary>
    internal T WithRouter<T>(Func<VsockRouter, T> action)
    {
        lock (_gate)
        {
            var result = action(_router);
            FlushGuarded();
            _turn.End();
            return result;
        }
    }

    /// <summary>Receives for a connection: bytes, 0 for the end, -1 if there is nothing now.</summary>
    internal int Receive(VsockConnection connection, Span<byte> buffer)
    {
        lock (_gate)
        {
            var received = connection.Incoming.Take(buffer);
            if (received > 0)
            {
                _router.Consume(connection, received);
                FlushGuarded();
                _turn.End();
                return received;
            }

            if (!connection.HasReceivedAll)
            {
                try
                {
                    received = _reader.Process(connection, buffer);
                    _writer.FlushControl();
                }
                catch (DeviceFaultException fault)
                {
                    EndByFault(fault.Message);
                }

                _turn.End();
            }

            return received > 0 ? received : connection.HasReceivedAll ? 0 : -1;
        }
    }

    /// <summary>Sends for a connection: bytes, 0 if the guest takes no more at all, -1 if nothing can be sent now.</summary>
    internal int Send(VsockConnection connection, ReadOnlySpan<byte> buffer)
    {
        lock (_gate)
        {
            if (connection.CannotSend)
            {
                return 0;
            }

            var sent = 0;
            try
            {
                sent = _writer.Send(connection, buffer);
            }
            catch (DeviceFaultException fault)
            {
                EndByFault(fault.Message);
            }

            _turn.End();
            return sent > 0 ? sent : connection.CannotSend ? 0 : -1;
        }
    }

    /// <summary>The guest gave something: a kick of one of its queues, or what an earlier turn left. On the reactor's thread.</summary>
    public void OnReady()
    {
        lock (_gate)
        {
            if (!_turn.TryBeginPump())
            {
                return;
            }

            try
            {
                _rings.Receive?.Ring.DisableKicks();
                _writer.FlushControl();
                _reader.Process(null, default);
                _writer.FlushControl();
                _writer.WakeSenders();
            }
            catch (DeviceFaultException fault)
            {
                EndByFault(fault.Message);
            }

            _turn.End();
        }
    }

    /// <summary>Takes a new memory table, also under running queues.</summary>
    /// <exception cref="DeviceFaultException">A running queue is not in it.</exception>
    internal void SetMemory(GuestMemory memory)
    {
        lock (_gate)
        {
            try
            {
                _rings.SetMemory(memory);
            }
            catch (DeviceFaultException)
            {
                // The rings still lead into the old table, which has gone.
                Clear();
                throw;
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
            if (_rings.IsRestart(isTransmit, firstIndex))
            {
                // The driver restarted: it knows none of the connections.
                _router.EndAll();
            }

            _rings.Start(isTransmit, size, addresses, firstIndex, usesEventIndex, call);
            _turn.SchedulePump();
        }
    }

    /// <summary>The used index of a queue that does not run yet.</summary>
    /// <exception cref="DeviceFaultException">It is not in the guest's memory.</exception>
    internal ushort UsedIndex(RingAddresses addresses)
    {
        lock (_gate)
        {
            return _rings.UsedIndex(addresses);
        }
    }

    /// <summary>Stops a queue; nothing of it is touched afterwards.</summary>
    /// <returns>The available index that comes next, null if it did not run.</returns>
    internal ushort? StopQueue(bool isTransmit)
    {
        lock (_gate)
        {
            return _rings.Stop(isTransmit);
        }
    }

    /// <summary>Exchanges what interrupts the guest.</summary>
    internal void SetCall(bool isTransmit, SafeFd? call)
    {
        lock (_gate)
        {
            _rings.SetCall(isTransmit, call);
        }
    }

    /// <summary>The front-end has gone: all connections end, and the guest's memory is let go.</summary>
    internal void Clear()
    {
        lock (_gate)
        {
            _rings.Clear();
            _writer.Clear();
            _router.EndAll();
        }
    }

    public void Dispose()
    {
        _reader.Dispose();
        _turn.Dispose();
    }

    private void FlushGuarded()
    {
        try
        {
            _writer.FlushControl();
        }
        catch (DeviceFaultException fault)
        {
            EndByFault(fault.Message);
        }
    }

    private void EndByFault(string what)
    {
        Clear();
        OnFault?.Invoke(what);
    }
}
