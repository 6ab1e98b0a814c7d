namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>
/// The packet headers for the guest: what is pending of each connection, refusals for unknown ones, and data. Not
/// thread-safe.
/// </summary>
/// <remarks>
/// It is bounded: each connection stands in the queue once with a set of what is pending, and refusals wait in a short
/// queue, beyond which the caller stops reading from the guest (<see cref="HasRoom"/>).
/// </remarks>
internal sealed class VsockOutput(ulong guestCid, VsockLimits limits)
{
    private readonly Queue<VsockConnection> _output = new();
    private readonly Queue<VsockHeader> _refusals = new();

    /// <summary>Whether the guest has taken enough that more of its packets may be read.</summary>
    /// <remarks>More connections than can be waiting to say something means that ended ones pile up.</remarks>
    internal bool HasRoom => _refusals.Count < limits.Refusals && _output.Count <= 2 * limits.Connections;

    /// <summary>Whether control packets wait for the guest's buffers.</summary>
    internal bool HasControl => _refusals.Count > 0 || _output.Count > 0;

    /// <summary>The next control packet for the guest, if there is one. It counts as sent.</summary>
    internal bool TryNextControl(out VsockHeader header)
    {
        if (_refusals.TryDequeue(out header))
        {
            return true;
        }

        while (_output.TryPeek(out var connection))
        {
            if (connection.State == VsockState.Closed || connection.Pending == VsockPending.None)
            {
                connection.IsQueued = false;
                _output.Dequeue();
                continue;
            }

            var next = (VsockPending)((int)connection.Pending & -(int)connection.Pending);
            connection.Pending &= ~next;
            header = Fill(connection, next switch
            {
                VsockPending.Request => VsockOperation.Request,
                VsockPending.Response => VsockOperation.Response,
                VsockPending.CreditUpdate => VsockOperation.CreditUpdate,
                VsockPending.CreditRequest => VsockOperation.CreditRequest,
                _ => VsockOperation.Shutdown,
            });
            if (header.Operation == VsockOperation.Shutdown)
            {
                header.Flags = connection.OurShutdown;
            }

            return true;
        }

        return false;
    }

    /// <summary>The header of a data packet, which counts as sent.</summary>
    internal VsockHeader NextData(VsockConnection connection, uint length)
    {
        connection.Credit.Send(length);
        var header = Fill(connection, VsockOperation.Data);
        header.Length = length;
        return header;
    }

    /// <summary>Notes what is to be sent for a connection.</summary>
    internal void Note(VsockConnection connection, VsockPending pending)
    {
        connection.Pending |= pending;
        if (!connection.IsQueued)
        {
            connection.IsQueued = true;
            _output.Enqueue(connection);
        }
    }

    /// <summary>Refuses the connection that a packet names.</summary>
    internal void Refuse(in VsockHeader untrusted)
    {
        // A reset is never answered, or two sides could do so without end.
        if (untrusted.Operation != VsockOperation.Reset)
        {
            _refusals.Enqueue(Header(untrusted.DestinationPort, untrusted.SourcePort, untrusted.Type, VsockOperation.Reset));
        }
    }

    /// <summary>Refuses a connection that the guest may know.</summary>
    internal void Refuse(VsockConnection connection) => _refusals.Enqueue(
        Header(connection.HostPort, connection.GuestPort, VsockHeader.StreamType, VsockOperation.Reset));

    /// <summary>Forgets everything, as the guest or its driver has gone.</summary>
    internal void Clear()
    {
        _output.Clear();
        _refusals.Clear();
    }

    private VsockHeader Fill(VsockConnection connection, VsockOperation operation)
    {
        var header = Header(connection.HostPort, connection.GuestPort, VsockHeader.StreamType, operation);
        header.BufferAllocation = connection.Credit.Capacity;
        header.ForwardCount = connection.Credit.Forwarded;
        connection.Credit.Announce();
        connection.Pending &= ~VsockPending.CreditUpdate;
        return header;
    }

    private VsockHeader Header(uint hostPort, uint guestPort, ushort type, VsockOperation operation) => new()
    {
        SourceCid = VsockHeader.HostCid,
        DestinationCid = guestCid,
        SourcePort = hostPort,
        DestinationPort = guestPort,
        Type = type,
        Operation = operation,
    };
}
