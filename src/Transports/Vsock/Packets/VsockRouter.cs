namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>Decides over connections that the guest asks for on one port of the host.</summary>
internal interface IVsockAcceptor
{
    /// <summary>The user of the new connection, or null to refuse it. Called under the router owner's lock.</summary>
    IVsockUser? Accept(VsockConnection connection);
}

/// <summary>
/// The connections of one guest, without I/O: packet headers in, packet headers out (virtio 1.2, section 5.10.6). The
/// caller moves the data itself, so that it is copied once. Not thread-safe.
/// </summary>
/// <remarks>
/// A packet that is not allowed ends the connection that it names, no more. Answers are bounded: each connection has a
/// set of what is pending, and refusals for unknown connections wait in a short queue, beyond which the caller stops
/// reading from the guest (<see cref="CanReceive"/>).
/// </remarks>
internal sealed partial class VsockRouter(ulong guestCid, VsockLimits limits)
{
    /// <summary>The first port for connections that we ask for; below are the well-known ones.</summary>
    private const uint FirstEphemeralPort = 1u << 30;

    private readonly Dictionary<ulong, VsockConnection> _connections = [];
    private readonly Dictionary<uint, IVsockAcceptor> _acceptors = [];
    private readonly Queue<VsockConnection> _output = new();
    private readonly Queue<VsockHeader> _refusals = new();
    private readonly LinkedList<VsockConnection> _leaving = new();
    // A random place: the guest may still hold connections of the process that was here before, on the ports that one began at.
    private uint _nextPort = (uint)Random.Shared.NextInt64(FirstEphemeralPort, uint.MaxValue);

    /// <summary>The connections in the table.</summary>
    internal int Count => _connections.Count;

    /// <summary>The packets that were not allowed so far.</summary>
    internal long Violations { get; private set; }

    /// <summary>Whether the guest has taken enough of our refusals that more of its packets may be read.</summary>
    /// <remarks>More connections than can be waiting to say something means that ended ones pile up.</remarks>
    internal bool CanReceive => _refusals.Count < limits.Refusals && _output.Count <= 2 * limits.Connections;

    /// <summary>Answers to whoever no acceptor has been set for; null refuses.</summary>
    internal IVsockAcceptor? AnyPort { get; set; }

    /// <summary>Sets who decides over a port. False if somebody does already.</summary>
    internal bool Listen(uint port, IVsockAcceptor acceptor) => _acceptors.TryAdd(port, acceptor);

    /// <summary>Lets a port go.</summary>
    internal void Unlisten(uint port) => _acceptors.Remove(port);

    /// <summary>The connection that a packet is for, if it is known.</summary>
    internal VsockConnection? Find(in VsockHeader untrusted) =>
        _connections.GetValueOrDefault(Key(untrusted.DestinationPort, untrusted.SourcePort));

    /// <summary>Asks the guest for a connection. Null if the table is full.</summary>
    internal VsockConnection? Connect(uint guestPort, IVsockUser user)
    {
        if (!MakeRoom())
        {
            return null;
        }
        // More free ports than connections, so this ends.
        while (_connections.ContainsKey(Key(_nextPort, guestPort)))
        {
            NextPort();
        }
        VsockConnection connection = Add(_nextPort, guestPort);
        NextPort();
        connection.User = user;
        Note(connection, VsockPending.Request);
        return connection;
    }

    /// <summary>The user says that it will send no more.</summary>
    internal void CompleteSend(VsockConnection connection)
    {
        if (connection.State == VsockState.Established)
        {
            connection.OurShutdown |= VsockShutdown.Send;
            Note(connection, VsockPending.Shutdown);
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
                    Refuse(connection);
                }
                Remove(connection);
                break;
            case VsockState.Established:
                connection.State = VsockState.Leaving;
                connection.OurShutdown = VsockShutdown.Both;
                connection.Leaving = _leaving.AddLast(connection);
                Note(connection, VsockPending.Shutdown);
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
            Note(connection, VsockPending.CreditUpdate);
        }
    }

    /// <summary>A send found no credit: the guest is asked, and the user is told when some comes.</summary>
    internal void WaitForCredit(VsockConnection connection)
    {
        if (!connection.WaitsForCredit)
        {
            connection.WaitsForCredit = true;
            Note(connection, VsockPending.CreditRequest);
        }
    }

    /// <summary>Ends every connection, as the guest or its driver has gone.</summary>
    internal void EndAll()
    {
        foreach (VsockConnection connection in _connections.Values)
        {
            connection.State = VsockState.Closed;
            connection.Leaving = null;
            connection.User?.OnReadable();
            connection.User?.OnWritable();
        }
        _connections.Clear();
        _leaving.Clear();
        _output.Clear();
        _refusals.Clear();
    }

    private VsockConnection Add(uint hostPort, uint guestPort)
    {
        var connection = new VsockConnection(hostPort, guestPort, limits.BufferBytes);
        _connections.Add(Key(hostPort, guestPort), connection);
        return connection;
    }

    private void Remove(VsockConnection connection)
    {
        connection.State = VsockState.Closed;
        _connections.Remove(Key(connection.HostPort, connection.GuestPort));
        if (connection.Leaving is { } node)
        {
            _leaving.Remove(node);
            connection.Leaving = null;
        }
        connection.User?.OnReadable();
        connection.User?.OnWritable();
    }

    /// <summary>Room in the table, at the cost of the connection that has been leaving for longest.</summary>
    private bool MakeRoom()
    {
        if (_connections.Count < limits.Connections)
        {
            return true;
        }
        if (_leaving.First is not { } oldest)
        {
            return false;
        }
        Refuse(oldest.Value);
        Remove(oldest.Value);
        return true;
    }

    private void NextPort() => _nextPort = _nextPort >= uint.MaxValue - 1 ? FirstEphemeralPort : _nextPort + 1;

    private static ulong Key(uint hostPort, uint guestPort) => ((ulong)hostPort << 32) | guestPort;
}
