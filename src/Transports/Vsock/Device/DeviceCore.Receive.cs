using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>The queue towards the guest.</summary>
internal sealed partial class DeviceCore
{
    /// <summary>Sends the control packets that the guest has buffers for.</summary>
    private void FlushControl()
    {
        if (_receive is not { } queue || !_router.HasControl)
        {
            return;
        }
        while (_router.HasControl && TryPopBuffer(queue, VsockHeader.Size))
        {
            if (!_router.TryNextControl(out VsockHeader header))
            {
                // What was queued has ended meanwhile.
                queue.Ring.Unpop();
                break;
            }
            Write(queue, header, default);
        }
        queue.Publish();
    }

    /// <summary>Copies data into the guest's buffers, as much as its credit and they allow.</summary>
    private int FillReceive(VsockConnection connection, ReadOnlySpan<byte> buffer)
    {
        FlushControl();
        int sent = 0;
        // Control packets that wait for buffers go first: one of them may be what makes the connection known.
        if (_receive is { } queue && !_router.HasControl)
        {
            while (sent < buffer.Length && connection.Credit.Available > 0 && TryPopBuffer(queue, VsockHeader.Size + 1))
            {
                long room = Math.Min(_chain.Length - VsockHeader.Size, connection.Credit.Available);
                int length = (int)Math.Min(buffer.Length - sent, room);
                Write(queue, _router.NextData(connection, (uint)length), buffer.Slice(sent, length));
                sent += length;
            }
            queue.Publish();
        }
        if (sent == 0)
        {
            if (connection.Credit.Available == 0 && connection.State == VsockState.Established)
            {
                _router.WaitForCredit(connection);
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

    /// <summary>Takes a buffer of the guest; if there is none, asks for a kick when there is.</summary>
    private bool TryPopBuffer(DeviceQueue queue, int needed)
    {
        if (_isResting || _memory is not { } memory)
        {
            return false;
        }
        if (TurnIsUsedUp)
        {
            Rest();
            return false;
        }
        while (!TryPop(queue, memory))
        {
            if (!queue.Ring.EnableKicks())
            {
                return false;
            }
            queue.Ring.DisableKicks();
        }
        if (_chain.Length < needed)
        {
            throw new DeviceFaultException($"a receive buffer of {_chain.Length} bytes; a header and data need at least {needed}");
        }
        return true;
    }

    private void Write(DeviceQueue queue, in VsockHeader header, ReadOnlySpan<byte> data)
    {
        Span<byte> bytes = stackalloc byte[VsockHeader.Size];
        header.Write(bytes);
        _chain.Write(0, bytes);
        _chain.Write(VsockHeader.Size, data);
        queue.Ring.Push(_chain, (uint)(VsockHeader.Size + data.Length));
    }

    /// <summary>Lets the sends that found no buffer try again, each in a turn of its own.</summary>
    private void WakeSenders()
    {
        if (_waitForBuffers.Count == 0 || _receive is not { } queue || (!queue.Ring.HasWaiting && !queue.Ring.EnableKicks()))
        {
            return;
        }
        foreach (VsockConnection connection in _waitForBuffers)
        {
            connection.WaitsForBuffers = false;
            connection.User?.OnWritable();
        }
        _waitForBuffers.Clear();
    }
}
