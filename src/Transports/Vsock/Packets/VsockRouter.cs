namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>
/// The connections of one guest, without I/O: packet headers in, packet headers out (virtio 1.2, section 5.10.6). The
/// caller moves the data itself, so that it is copied once. Not thread-safe.
/// </summary>
/// <remarks>
/// A packet that is not allowed ends the connection that it names, no more. Answers are bounded; beyond their bound the
/// caller stops reading from the guest (<see cref="CanReceive"/>).
/// </remarks>
internal sealed class VsockRouter
{
    private readonly ulong _guestCid;
    private readonly VsockTable _table;
    private readonly Dictionary<uint, IVsockAcceptor> _acceptors = [];

    /// <summary>Makes a router without connections.</summary>
    /// <param name="guestCid">The guest's CID.</param>
    /// <param name="limits">What the guest can make it hold.</param>
    internal VsockRouter(ulong guestCid, VsockLimits limits)
    {
        _guestCid = guestCid;
        Output = new VsockOutput(guestCid, limits);
        _table = new VsockTable(limits, Output);
    }

    /// <summary>The packet headers for the guest.</summary>
    internal VsockOutput Output { get; }

    /// <summary>The connections in the table.</summary>
    internal int Count => _table.Count;

    /// <summary>The packets that were not allowed so far.</summary>
    internal long Violations { get; private set; }

    /// <summary>Whether the guest has taken enough of our answers that more of its packets may be read.</summary>
    internal bool CanReceive => Output.HasRoom;

    /// <summary>Answers requests to ports without an acceptor; null refuses.</summary>
    internal IVsockAcceptor? AnyPort { get; set; }

    /// <summary>Sets the acceptor of a port. False if it has one already.</summary>
    internal bool Listen(uint port, IVsockAcceptor acceptor) => _acceptors.TryAdd(port, acceptor);

    /// <summary>Lets a port go.</summary>
    internal void Unlisten(uint port) => _acceptors.Remove(port);

    /// <summary>The connection that a packet is for, if it is known.</summary>
    internal VsockConnection? Find(in VsockHeader untrusted) => _table.Find(untrusted.DestinationPort, untrusted.SourcePort);

    /// <summary>Asks the guest for a connection. Null if the table is full.</summary>
    internal VsockConnection? Connect(uint guestPort, IVsockUser user)
    {
        if (_table.TryAdd(guestPort) is not { } connection)
        {
            return null;
        }

        connection.User = user;
        Output.Note(connection, VsockPending.Request);
        return connection;
    }

    /// <summary>The user says that it will send no more.</summary>
    internal void CompleteSend(VsockConnection connection)
    {
        if (connection.State == VsockState.Established)
        {
            connection.OurShutdown |= VsockShutdown.Send;
            Output.Note(connection, VsockPending.Shutdown);
        }
    }

    /// <summary>The user leaves. What was sent before reaches the guest; what came and comes is dropped.</summary>
    internal void Leave(VsockConnection connection)
    {
        connection.User = null;
        connection.Incoming.Clear();
        switch (connection.State)
        {
            case VsockState.Requested:
                if ((connection.Pending & VsockPending.Request) == 0)
                {
                    // The guest may have accepted meanwhile.
                    Output.Refuse(connection);
                }

                _table.Remove(connection);
                break;
            case VsockState.Established:
                connection.State = VsockState.Leaving;
                connection.OurShutdown = VsockShutdown.Both;
                _table.Leave(connection);
                Output.Note(connection, VsockPending.Shutdown);
                break;
            default:
                break;
        }
    }

    /// <summary>The user took received bytes.</summary>
    internal void Consume(VsockConnection connection, int bytes)
    {
        connection.Credit.Forward((uint)bytes);
        if (connection.Credit.UpdateIsDue && connection.State == VsockState.Established)
        {
            Output.Note(connection, VsockPending.CreditUpdate);
        }
    }

    /// <summary>A send found no credit: the guest is asked, and the user is told when some comes.</summary>
    internal void WaitForCredit(VsockConnection connection)
    {
        if (!connection.WaitsForCredit)
        {
            connection.WaitsForCredit = true;
            Output.Note(connection, VsockPending.CreditRequest);
        }
    }

    /// <summary>Ends every connection, as the guest or its driver has gone.</summary>
    internal void EndAll()
    {
        _table.Clear();
        Output.Clear();
    }

    /// <summary>Takes the header of a packet from the guest.</summary>
    /// <param name="untrusted">As the guest wrote it.</param>
    /// <param name="available">The bytes that the guest's buffers hold behind the header.</param>
    /// <returns>
    /// The connection that takes the packet's data, <c>Length</c> bytes that are there and within its credit; null if
    /// there is none to take.
    /// </returns>
    internal VsockConnection? Receive(in VsockHeader untrusted, long available)
    {
        if (untrusted.SourceCid != _guestCid || untrusted.DestinationCid != VsockHeader.HostCid)
        {
            // Not from this guest or not to us: an answer would go to a party that never asked.
            Violations++;
            return null;
        }

        var connection = Find(untrusted);
        var carriesData = untrusted.Operation == VsockOperation.Data;
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
            Output.Refuse(untrusted);
            return null;
        }

        if (untrusted.Operation == VsockOperation.Reset)
        {
            _table.Remove(connection);
            return null;
        }

        if (!connection.Credit.Update(untrusted.BufferAllocation, untrusted.ForwardCount))
        {
            return Violated(untrusted, connection);
        }

        var receiver = connection.State == VsockState.Requested
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
            _table.Remove(old);
        }

        if (!(_acceptors.TryGetValue(untrusted.DestinationPort, out var acceptor) || (acceptor = AnyPort) is not null)
            || _table.TryAdd(untrusted.DestinationPort, untrusted.SourcePort) is not { } connection)
        {
            Output.Refuse(untrusted);
            return;
        }

        connection.State = VsockState.Established;
        _ = connection.Credit.Update(untrusted.BufferAllocation, untrusted.ForwardCount);
        connection.User = acceptor.Accept(connection);
        if (connection.User is null)
        {
            Output.Refuse(connection);
            _table.Remove(connection);
            return;
        }

        Output.Note(connection, VsockPending.Response);
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
                    Output.Note(connection, VsockPending.CreditUpdate);
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
            // The guest waits for this to forget the connection; bytes that it sent before can still be read.
            Output.Refuse(connection);
            _table.Remove(connection);
            return;
        }

        connection.User?.OnReadable();
        connection.User?.OnWritable();
    }

    private VsockConnection? Violated(in VsockHeader untrusted, VsockConnection? connection)
    {
        Violations++;
        Output.Refuse(untrusted);
        if (connection is not null)
        {
            _table.Remove(connection);
        }

        return null;
    }
}
