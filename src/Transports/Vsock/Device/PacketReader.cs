using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// Reads packets from the guest: headers to the router, data into the buffer of the receive that waits for it, or of its
/// connection. Everything is called under the device's lock.
/// </summary>
internal sealed class PacketReader : IDisposable
{
    /// <summary>With less room than this in its buffer, a receive ends instead of splitting one more packet.</summary>
    private const int WorthMore = 4096;

    /// <summary>How long the guest may wait for its transmit buffers while it has enough others.</summary>
    private static readonly TimeSpan s_showDelay = TimeSpan.FromMilliseconds(5);

    private readonly Lock _gate;
    private readonly DeviceRings _rings;
    private readonly DeviceTurn _turn;
    private readonly VsockRouter _router;
    private readonly PacketWriter _writer;
    private readonly Timer _showTimer;
    private bool _showIsDue;

    /// <summary>Makes it.</summary>
    /// <param name="gate">The device's lock, which the late return of transmit buffers takes itself.</param>
    /// <param name="rings">Where packets come from.</param>
    /// <param name="turn">How many may be read.</param>
    /// <param name="router">What decides over them.</param>
    /// <param name="writer">Sends answers, without which no more is read.</param>
    internal PacketReader(Lock gate, DeviceRings rings, DeviceTurn turn, VsockRouter router, PacketWriter writer)
    {
        (_gate, _rings, _turn, _router, _writer) = (gate, rings, turn, router, writer);
        _showTimer = new Timer(static state => ((PacketReader)state!).ShowLate(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>Processes the guest's packets until there are none, or something else must come first.</summary>
    /// <param name="direct">A connection whose data goes straight into <paramref name="buffer"/>; its own buffer is empty.</param>
    /// <param name="buffer">Where to.</param>
    /// <returns>The bytes that were copied there.</returns>
    /// <exception cref="DeviceFaultException">The guest broke its rings.</exception>
    internal int Process(VsockConnection? direct, Span<byte> buffer)
    {
        if (_turn.IsResting || _rings.Transmit is not { } queue || _rings.Memory is not { } memory)
        {
            return 0;
        }

        var received = 0;
        queue.Ring.DisableKicks();
        while (true)
        {
            if (!_router.CanReceive)
            {
                _writer.FlushControl();
                if (!_router.CanReceive)
                {
                    // Goes on when the guest has given receive buffers; the flush has asked for that kick.
                    break;
                }
            }

            if (_turn.IsUsedUp)
            {
                _turn.Rest();
                break;
            }

            if (received > 0 && buffer.Length < WorthMore)
            {
                _turn.SchedulePump();
                break;
            }

            if (!_rings.TryPop(queue, memory))
            {
                if (queue.Ring.EnableKicks())
                {
                    queue.Ring.DisableKicks();
                    continue;
                }

                break;
            }

            var header = ReadHeader();
            if (_router.Find(header) is { User: { IsReceiving: true } user } other && other != direct && other.Incoming.Count == 0)
            {
                // It has a buffer ready and takes the packet itself.
                queue.Ring.Unpop();
                user.OnReadable();
                _turn.SchedulePump();
                break;
            }

            if (_router.Receive(header, _rings.Chain.Length - VsockHeader.Size) is { } connection)
            {
                var taken = connection == direct ? ReceiveDirect(connection, header, buffer) : 0;
                buffer = buffer[taken..];
                received += taken;
                ReceiveBuffered(connection, taken, (int)header.Length - taken);
            }

            queue.Ring.Push(_rings.Chain, 0);
        }

        ShowTransmitted(queue);
        return received;
    }

    public void Dispose() => _showTimer.Dispose();

    /// <summary>
    /// Gives the guest its transmit buffers back, not for each packet: every time costs it an interrupt that it does not wait
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
            _rings.Transmit?.Publish();
        }
    }

    private int ReceiveDirect(VsockConnection connection, in VsockHeader header, Span<byte> buffer)
    {
        // What did not fit into it before comes first.
        if (connection.Incoming.Count > 0)
        {
            return 0;
        }

        var length = (int)Math.Min(header.Length, (uint)buffer.Length);
        _rings.Chain.Read(VsockHeader.Size, buffer[..length]);
        _router.Consume(connection, length);
        return length;
    }

    private void ReceiveBuffered(VsockConnection connection, int from, int length)
    {
        if (length == 0)
        {
            return;
        }

        var wasEmpty = connection.Incoming.Count == 0;
        connection.Incoming.Reserve(length, out var first, out var second);
        _rings.Chain.Read(VsockHeader.Size + from, first);
        _rings.Chain.Read(VsockHeader.Size + from + first.Length, second);
        connection.Incoming.Commit(length);
        if (wasEmpty)
        {
            connection.User?.OnReadable();
        }
    }

    private VsockHeader ReadHeader()
    {
        if (_rings.Chain.Length < VsockHeader.Size)
        {
            throw new DeviceFaultException($"a packet of {_rings.Chain.Length} bytes, less than its header");
        }

        Span<byte> untrusted = stackalloc byte[VsockHeader.Size];
        _rings.Chain.Read(0, untrusted);
        return VsockHeader.Read(untrusted);
    }
}
