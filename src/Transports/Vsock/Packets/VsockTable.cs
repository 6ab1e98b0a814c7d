namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>
/// The connections of one guest by their ports, as many as the limits allow. A full table makes room at the cost of the
/// connection that has been leaving for longest. Not thread-safe.
/// </summary>
internal sealed class VsockTable(VsockLimits limits, VsockOutput output)
{
    /// <summary>The first port for connections that we ask for; below are the well-known ones.</summary>
    private const uint FirstEphemeralPort = 1u << 30;

    private readonly Dictionary<ulong, VsockConnection> _connections = [];
    private readonly LinkedList<VsockConnection> _leaving = new();
    // A random place: the guest may still hold connections of the process that was here before, on the ports that one began at.
    private uint _nextPort = (uint)Random.Shared.NextInt64(FirstEphemeralPort, uint.MaxValue);

    /// <summary>The connections in it.</summary>
    internal int Count => _connections.Count;

    /// <summary>The connection between two ports, if there is one.</summary>
    internal VsockConnection? Find(uint hostPort, uint guestPort) => _connections.GetValueOrDefault(Key(hostPort, guestPort));

    /// <summary>Adds a connection that the guest asked for. Null if the table is full.</summary>
    internal VsockConnection? TryAdd(uint hostPort, uint guestPort) => MakeRoom() ? Add(hostPort, guestPort) : null;

    /// <summary>Adds a connection from a free port of the host. Null if the table is full.</summary>
    internal VsockConnection? TryAdd(uint guestPort)
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

        var connection = Add(_nextPort, guestPort);
        NextPort();
        return connection;
    }

    /// <summary>Notes that a connection's user has left: it goes when its place is needed, at the latest.</summary>
    internal void Leave(VsockConnection connection) => connection.Leaving = _leaving.AddLast(connection);

    /// <summary>Ends a connection and tells its user.</summary>
    internal void Remove(VsockConnection connection)
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

    /// <summary>Ends every connection and tells their users.</summary>
    internal void Clear()
    {
        foreach (var connection in _connections.Values)
        {
            connection.State = VsockState.Closed;
            connection.Leaving = null;
            connection.User?.OnReadable();
            connection.User?.OnWritable();
        }

        _connections.Clear();
        _leaving.Clear();
    }

    private VsockConnection Add(uint hostPort, uint guestPort)
    {
        var connection = new VsockConnection(hostPort, guestPort, limits.BufferBytes);
        _connections.Add(Key(hostPort, guestPort), connection);
        return connection;
    }

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

        output.Refuse(oldest.Value);
        Remove(oldest.Value);
        return true;
    }

    private void NextPort() => _nextPort = _nextPort >= uint.MaxValue - 1 ? FirstEphemeralPort : _nextPort + 1;

    private static ulong Key(uint hostPort, uint guestPort) => ((ulong)hostPort << 32) | guestPort;
}
