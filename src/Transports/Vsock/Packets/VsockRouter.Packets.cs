namespace ChannelSdk.Transports.Vsock.Packets;

internal sealed partial class VsockRouter
{
    /// <summary>Takes the header of a packet from the guest.</summary>
    /// <param name="untrusted">As the guest wrote it.</param>
    /// <param name="available">The bytes that the guest's buffers hold behind the header.</param>
    /// <returns>
    /// The connection that takes the packet's data, <c>Length</c> bytes that are there and within its credit; null if
    /// there is none to take.
    /// </returns>
    internal VsockConnection? Receive(in VsockHeader untrusted, long available)
    {
        if (untrusted.SourceCid != guestCid || untrusted.DestinationCid != VsockHeader.HostCid)
        {
            // Not from this guest or not to us: an answer would go to somebody who never asked.
            Violations++;
            return null;
        }
        _connections.TryGetValue(Key(untrusted.DestinationPort, untrusted.SourcePort), out VsockConnection? connection);
        bool carriesData = untrusted.Operation == VsockOperation.Data;
        if (untrusted.Type != VsockHeader.StreamType || untrusted.Length > (carriesData ? available : 0))
        {
            return Violated(untrusted, connection);
        }
        if (untrusted.Operation == VsockOperation.Request)
        {
            Requested(untrusted, connection);
            return null;
        }
        if (connection is null)
        {
            RefuseUnknown(untrusted);
            return null;
        }
        if (untrusted.Operation == VsockOperation.Reset)
        {
            Remove(connection);
            return null;
        }
        if (!connection.Credit.Update(untrusted.BufferAllocation, untrusted.ForwardCount))
        {
            return Violated(untrusted, connection);
        }
        VsockConnection? receiver = connection.State == VsockState.Requested
            ? Answered(untrusted, connection)
            : Continued(untrusted, connection);
        if (connection is { WaitsForCredit: true, Credit.Available: > 0 })
        {
            connection.WaitsForCredit = false;
            connection.User?.OnWritable();
        }
        return receiver;
    }

    private void Requested(in VsockHeader untrusted, VsockConnection? old)
    {
        if (old is not null)
        {
            // The guest has forgotten the old one, else it would not use its port again.
            Remove(old);
        }
        if (!(_acceptors.TryGetValue(untrusted.DestinationPort, out IVsockAcceptor? acceptor) || (acceptor = AnyPort) is not null)
            || !MakeRoom())
        {
            RefuseUnknown(untrusted);
            return;
        }
        VsockConnection connection = Add(untrusted.DestinationPort, untrusted.SourcePort);
        connection.State = VsockState.Established;
        _ = connection.Credit.Update(untrusted.BufferAllocation, untrusted.ForwardCount);
        connection.User = acceptor.Accept(connection);
        if (connection.User is null)
        {
            Refuse(connection);
            Remove(connection);
            return;
        }
        Note(connection, VsockPending.Response);
    }

    /// <summary>A packet for a connection that we asked for.</summary>
    private VsockConnection? Answered(in VsockHeader untrusted, VsockConnection connection)
    {
        switch (untrusted.Operation)
        {
            case VsockOperation.Response:
                connection.State = VsockState.Established;
                connection.User?.OnWritable();
                return null;
            case VsockOperation.CreditUpdate:
                return null;
            default:
                return Violated(untrusted, connection);
        }
    }

    /// <summary>A packet for an established or leaving connection.</summary>
    private VsockConnection? Continued(in VsockHeader untrusted, VsockConnection connection)
    {
        switch (untrusted.Operation)
        {
            case VsockOperation.Data:
                if (connection.State == VsockState.Leaving)
                {
                    return null;
                }
                if (connection.HasReceivedAll || !connection.Credit.Receive(untrusted.Length))
                {
                    return Violated(untrusted, connection);
                }
                return untrusted.Length > 0 ? connection : null;
            case VsockOperation.Shutdown:
                ShutDown(connection, untrusted.Flags & VsockShutdown.Both);
                return null;
            case VsockOperation.CreditRequest:
                if (connection.State == VsockState.Established)
                {
                    Note(connection, VsockPending.CreditUpdate);
                }
                return null;
            case VsockOperation.CreditUpdate:
                return null;
            default:
                return Violated(untrusted, connection);
        }
    }

    private void ShutDown(VsockConnection connection, VsockShutdown flags)
    {
        connection.PeerShutdown |= flags;
        if (connection.PeerShutdown == VsockShutdown.Both)
        {
            // The guest waits for this to forget the connection; what it sent before is still ours to read.
            Refuse(connection);
            Remove(connection);
            return;
        }
        connection.User?.OnReadable();
        connection.User?.OnWritable();
    }

    private VsockConnection? Violated(in VsockHeader untrusted, VsockConnection? connection)
    {
        Violations++;
        RefuseUnknown(untrusted);
        if (connection is not null)
        {
            Remove(connection);
        }
        return null;
    }

    private void RefuseUnknown(in VsockHeader untrusted)
    {
        // A reset is never answered, or two sides could do so for ever.
        if (untrusted.Operation != VsockOperation.Reset)
        {
            _refusals.Enqueue(Header(untrusted.DestinationPort, untrusted.SourcePort, untrusted.Type, VsockOperation.Reset));
        }
    }

    private void Refuse(VsockConnection connection) => _refusals.Enqueue(
        Header(connection.HostPort, connection.GuestPort, VsockHeader.StreamType, VsockOperation.Reset));

    /// <summary>The next control packet for the guest, if there is one. It counts as sent.</summary>
    internal bool TryNextControl(out VsockHeader header)
    {
        if (_refusals.TryDequeue(out header))
        {
            return true;
        }
        while (_output.TryPeek(out VsockConnection? connection))
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

    /// <summary>Whether control packets wait for the guest's buffers.</summary>
    internal bool HasControl => _refusals.Count > 0 || _output.Count > 0;

    /// <summary>The header of a data packet, which counts as sent.</summary>
    internal VsockHeader NextData(VsockConnection connection, uint length)
    {
        connection.Credit.Send(length);
        VsockHeader header = Fill(connection, VsockOperation.Data);
        header.Length = length;
        return header;
    }

    private void Note(VsockConnection connection, VsockPending pending)
    {
        connection.Pending |= pending;
        if (!connection.IsQueued)
        {
            connection.IsQueued = true;
            _output.Enqueue(connection);
        }
    }

    private VsockHeader Fill(VsockConnection connection, VsockOperation operation)
    {
        VsockHeader header = Header(connection.HostPort, connection.GuestPort, VsockHeader.StreamType, operation);
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
