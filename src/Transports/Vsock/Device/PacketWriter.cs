using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// Writes packets to the guest: control packets of the router, and data straight from a send's buffer into the guest's
/// receive buffers. Everything is called under the device's lock.
/// </summary>
internal sealed class PacketWriter(DeviceRings rings, DeviceTurn turn, VsockRouter router)
{
    private readonly List<VsockConnection> _waitForBuffers = [];

    /// <summary>Sends the control packets that the guest has buffers for.</summary>
    /// <exception cref="DeviceFaultException">The guest broke its rings.</exception>
    internal void FlushControl()
    {
        if (rings.Receive is not { } queue || !router.Output.HasControl)
        {
            return;
        }

        while (router.Output.HasControl && TryPopBuffer(queue, VsockHeader.Size))
        {
            if (!router.Output.TryNextControl(out var header))
            {
                // The queued send has ended meanwhile.
                queue.Ring.Unpop();
                break;
            }

            Write(queue, header, default);
        }

        queue.Publish();
    }

    /// <summary>Copies data into the guest's buffers, as much as its credit and they allow.</summary>
    /// <returns>The bytes that were sent. After 0 the connection's user is told when it is worth to try again.</returns>
    /// <exception cref="DeviceFaultException">The guest broke its rings.</exception>
    internal int Send(VsockConnection connection, ReadOnlySpan<byte> buffer)
    {
        FlushControl();
        var sent = 0;
        // Control packets that wait for buffers go first: one of them may be what makes the connection known.
        if (rings.Receive is { } queue && !router.Output.HasControl)
        {
            while (sent < buffer.Length && connection.Credit.Available > 0 && TryPopBuffer(queue, VsockHeader.Size + 1))
            {
                var room = Math.Min(rings.Chain.Length - VsockHeader.Size, connection.Credit.Available);
                var length = (int)Math.Min(buffer.Length - sent, room);
                Write(queue, router.Output.NextData(connection, (uint)length), buffer.Slice(sent, length));
                sent += length;
            }

            queue.Publish();
        }

        if (sent == 0)
        {
            if (connection.Credit.Available == 0 && connection.State == VsockState.Established)
            {
                router.WaitForCredit(connection);
                FlushControl();
            }
            else if (!connection.WaitsForBuffers)
            {
                connection.WaitsForBuffers = true;
                _waitForBuffers.Add(connection);
            }
        }

        return sent;
    }

    /// <summary>Lets the sends that found no buffer try again, each in its own turn.</summary>
    internal void WakeSenders()
    {
        if (_waitForBuffers.Count == 0 || rings.Receive is not { } queue || (!queue.Ring.HasWaiting && !queue.Ring.EnableKicks()))
        {
            return;
        }

        foreach (var connection in _waitForBuffers)
        {
            connection.WaitsForBuffers = false;
            connection.User?.OnWritable();
        }

        _waitForBuffers.Clear();
    }

    /// <summary>Forgets the sends that wait: their connections end.</summary>
    internal void Clear() => _waitForBuffers.Clear();

    /// <summary>Takes a buffer of the guest; if there is none, asks for a kick when there is.</summary>
    private bool TryPopBuffer(DeviceQueue queue, int needed)
    {
        if (turn.IsResting || rings.Memory is not { } memory)
        {
            return false;
        }

        if (turn.IsUsedUp)
        {
            turn.Rest();
            return false;
        }

        while (!rings.TryPop(queue, memory))
        {
            if (!queue.Ring.EnableKicks())
            {
                return false;
            }

            queue.Ring.DisableKicks();
        }

        if (rings.Chain.Length < needed)
        {
            throw new DeviceFaultException($"a receive buffer of {rings.Chain.Length} bytes; a header and data need at least {needed}");
        }

        return true;
    }

    private void Write(DeviceQueue queue, in VsockHeader header, ReadOnlySpan<byte> data)
    {
        Span<byte> bytes = stackalloc byte[VsockHeader.Size];
        header.Write(bytes);
        rings.Chain.Write(0, bytes);
        rings.Chain.Write(VsockHeader.Size, data);
        queue.Ring.Push(rings.Chain, (uint)(VsockHeader.Size + data.Length));
    }
}
