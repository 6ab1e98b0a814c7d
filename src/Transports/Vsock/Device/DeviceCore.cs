using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// What the device does with its rings: moves packets between them and the connections. One lock guards the rings, the
/// guest's memory and the router; nothing of a user runs under it.
/// </summary>
/// <remarks>
/// Data is copied once: a send copies from its buffer into the guest's receive buffers, and a waiting receive takes its
/// packets from the guest's ring itself. Only bytes that nobody waits for go through a connection's buffer, within
/// the credit that the guest has.
/// </remarks>
internal sealed partial class DeviceCore : IReactorWork, IDisposable
{
    /// <summary>Descriptors that are read in one turn; more wait for the next one. Packets of Linux' driver have two.</summary>
    private const int TurnDescriptors = 1024;

    /// <summary>What a descriptor counts of the I/O thread's turn, in bytes.</summary>
    private const int DescriptorCost = 128;

    /// <summary>
    /// How long the rings rest after a turn that was used up. Ordinary traffic hardly ever uses one up; a guest whose rings never
    /// run dry gets a tenth of the I/O thread by this, and the other instances' work finds the thread asleep, not at the end of
    /// its time slice.
    /// </summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(1);

    /// <summary>With less room than this in its buffer, a receive ends instead of splitting one more packet.</summary>
    private const int WorthMore = 4096;

    /// <summary>How long the guest may wait for its transmit buffers while it has enough others.</summary>
    private static readonly TimeSpan s_showDelay = TimeSpan.FromMilliseconds(5);

    private readonly Lock _gate = new();
    private readonly VsockRouter _router;
    private readonly DescriptorChain _chain = new();
    private readonly IoReactor _reactor;
    private readonly List<VsockConnection> _waitForBuffers = [];
    private GuestMemory? _memory;
    private DeviceQueue? _receive;
    private DeviceQueue? _transmit;
    private ushort? _stoppedReceive;
    private ushort? _stoppedTransmit;
    private readonly Timer _showTimer;
    private readonly Timer _restTimer;
    private bool _pumpIsScheduled;
    private bool _showIsDue;
    private bool _isResting;
    private int _work;

    /// <summary>Makes a device without front-end.</summary>
    /// <param name="guestCid">The guest's CID.</param>
    /// <param name="limits">What the guest can make it hold.</param>
    /// <param name="reactor">Where it runs.</param>
    internal DeviceCore(ulong guestCid, VsockLimits limits, IoReactor reactor)
    {
        _router = new VsockRouter(guestCid, limits);
        _reactor = reactor;
        _showTimer = new Timer(static state => ((DeviceCore)state!).ShowLate(), this, Timeout.Infinite, Timeout.Infinite);
        _restTimer = new Timer(static state => ((DeviceCore)state!).EndRest(), this, Timeout.Infinite, Timeout.Infinite);
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
                return _receive is not null && _transmit is not null;
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
            T result = action(_router);
            FlushGuarded();
            EndWork();
            return result;
        }
    }

    /// <summary>Receives for a connection: bytes, 0 for the end, -1 if there is nothing now.</summary>
    internal int Receive(VsockConnection connection, Span<byte> buffer)
    {
        lock (_gate)
        {
            int received = connection.Incoming.Take(buffer);
            if (received > 0)
            {
                _router.Consume(connection, received);
                FlushGuarded();
                EndWork();
                return received;
            }
            if (!connection.HasReceivedAll)
            {
                try
                {
                    received = ProcessTransmit(connection, buffer);
                    FlushControl();
                }
                catch (DeviceFaultException fault)
                {
                    EndByFault(fault.Message);
                }
                EndWork();
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
            int sent = 0;
            try
            {
                sent = FillReceive(connection, buffer);
            }
            catch (DeviceFaultException fault)
            {
                EndByFault(fault.Message);
            }
            EndWork();
            return sent > 0 ? sent : connection.CannotSend ? 0 : -1;
        }
    }

    /// <summary>The guest gave something: a kick of one of its queues, or what an earlier turn left. On the reactor's thread.</summary>
    public void OnReady()
    {
        lock (_gate)
        {
            _pumpIsScheduled = false;
            if (_isResting)
            {
                return;
            }
            try
            {
                _receive?.Ring.DisableKicks();
                FlushControl();
                ProcessTransmit(null, default);
                FlushControl();
                WakeSenders();
            }
            catch (DeviceFaultException fault)
            {
                EndByFault(fault.Message);
            }
            EndWork();
        }
    }

    /// <summary>Processes the guest's packets until there are none, or something else must come first.</summary>
    /// <param name="direct">A connection whose data goes straight into <paramref name="buffer"/>; its own buffer is empty.</param>
    /// <param name="buffer">Where to.</param>
    /// <returns>The bytes that were copied there.</returns>
    private int ProcessTransmit(VsockConnection? direct, Span<byte> buffer)
    {
        if (_isResting || _transmit is not { } queue || _memory is not { } memory)
        {
            return 0;
        }
        int received = 0;
        queue.Ring.DisableKicks();
        while (true)
        {
            if (!_router.CanReceive)
            {
                FlushControl();
                if (!_router.CanReceive)
                {
                    // Goes on when the guest has given receive buffers; the flush has asked for that kick.
                    break;
                }
            }
            if (TurnIsUsedUp)
            {
                Rest();
                break;
            }
            if (received > 0 && buffer.Length < WorthMore)
            {
                SchedulePump();
                break;
            }
            if (!TryPop(queue, memory))
            {
                if (queue.Ring.EnableKicks())
                {
                    queue.Ring.DisableKicks();
                    continue;
                }
                break;
            }
            VsockHeader header = ReadHeader();
            if (_router.Find(header) is { User: { IsReceiving: true } user } other && other != direct && other.Incoming.Count == 0)
            {
                // It has a buffer ready and takes the packet itself.
                queue.Ring.Unpop();
                user.OnReadable();
                SchedulePump();
                break;
            }
            if (_router.Receive(header, _chain.Length - VsockHeader.Size) is { } connection)
            {
                int taken = connection == direct ? TakeDirect(connection, header, buffer) : 0;
                buffer = buffer[taken..];
                received += taken;
                TakeBuffered(connection, taken, (int)header.Length - taken);
            }
            queue.Ring.Push(_chain, 0);
        }
        ShowTransmitted(queue);
        return received;
    }

    /// <summary>
    /// Gives the guest its transmit buffers back, not for each packet: every time costs it an interrupt that nobody waits
    /// for, as credit and not buffers is what limits a sender.
    /// </summary>
    private void ShowTransmitted(DeviceQueue queue)
    {
        if (queue.Ring.PublishIsDue)
        {
            queue.Publish();
        }
        else if (queue.Ring.HasUnpublished && !_showIsDue)
        {
            _showIsDue = true;
            _showTimer.Change(s_showDelay, Timeout.InfiniteTimeSpan);
        }
    }

    private void ShowLate()
    {
        lock (_gate)
        {
            _showIsDue = false;
            _transmit?.Publish();
        }
    }

    private int TakeDirect(VsockConnection connection, in VsockHeader header, Span<byte> buffer)
    {
        // What did not fit into it before comes first.
        if (connection.Incoming.Count > 0)
        {
            return 0;
        }
        int length = (int)Math.Min(header.Length, (uint)buffer.Length);
        _chain.Read(VsockHeader.Size, buffer[..length]);
        _router.Consume(connection, length);
        return length;
    }

    private void TakeBuffered(VsockConnection connection, int from, int length)
    {
        if (length == 0)
        {
            return;
        }
        bool wasEmpty = connection.Incoming.Count == 0;
        connection.Incoming.Reserve(length, out Span<byte> first, out Span<byte> second);
        _chain.Read(VsockHeader.Size + from, first);
        _chain.Read(VsockHeader.Size + from + first.Length, second);
        connection.Incoming.Commit(length);
        if (wasEmpty)
        {
            connection.User?.OnReadable();
        }
    }

    private VsockHeader ReadHeader()
    {
        if (_chain.Length < VsockHeader.Size)
        {
            throw new DeviceFaultException($"a packet of {_chain.Length} bytes, less than its header");
        }
        Span<byte> untrusted = stackalloc byte[VsockHeader.Size];
        _chain.Read(0, untrusted);
        return VsockHeader.Read(untrusted);
    }

    private bool TurnIsUsedUp => _work >= TurnDescriptors;

    private bool TryPop(DeviceQueue queue, GuestMemory memory)
    {
        bool popped = queue.Ring.TryPop(memory, _chain);
        _work += popped ? _chain.Work : 0;
        return popped;
    }

    /// <summary>Counts the work of a call, or of a part of it, against the I/O thread's turn.</summary>
    private void EndWork()
    {
        int cost = _work * DescriptorCost;
        _work = 0;
        // What an ordinary packet takes is in the cost of the operation.
        if (cost > IoReactor.OperationCost)
        {
            _reactor.Charge(cost);
        }
    }

    private void SchedulePump()
    {
        if (!_pumpIsScheduled)
        {
            _pumpIsScheduled = true;
            _reactor.Schedule(this);
        }
    }

    private void Rest()
    {
        if (!_isResting)
        {
            _isResting = true;
            _restTimer.Change(s_rest, Timeout.InfiniteTimeSpan);
        }
    }

    private void EndRest()
    {
        lock (_gate)
        {
            _isResting = false;
            SchedulePump();
        }
    }

    private void FlushGuarded()
    {
        try
        {
            FlushControl();
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
