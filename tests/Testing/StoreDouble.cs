using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Xen.Store;

namespace ChannelSdk.Testing;

/// <summary>A xenstored for the domains of a test: its wire form on socket pairs, nodes with permissions, watches.</summary>
internal sealed class StoreDouble : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, Node> _nodes = new(StringComparer.Ordinal);
    private readonly List<Connection> _connections = [];
    private readonly HashSet<uint> _domains = [];

    /// <summary>Called before a request is done, with the domain, the operation and the path.</summary>
    internal Action<uint, StoreOperation, string>? Before { get; set; }

    /// <summary>Requests so far, by operation.</summary>
    internal ConcurrentDictionary<StoreOperation, int> Requests { get; } = new();

    internal void Introduce(uint domain)
    {
        lock (_gate)
        {
            if (_domains.Add(domain))
            {
                SetNode($"/local/domain/{domain}/domid", $"{domain}", domain);
                SetNode($"/local/domain/{domain}/data", "", domain);
            }
        }
    }

    /// <summary>As when a domain is destroyed: its nodes go, and the domains that may know are told.</summary>
    internal void Destroy(uint domain, bool leavesNodes = false)
    {
        lock (_gate)
        {
            _domains.Remove(domain);
            if (!leavesNodes)
            {
                RemoveNode($"/local/domain/{domain}");
            }

            Fire("@releaseDomain");
        }
    }

    internal string? Value(string path)
    {
        lock (_gate)
        {
            return _nodes.GetValueOrDefault(path)?.Value;
        }
    }

    internal string Permissions(string path)
    {
        lock (_gate)
        {
            return _nodes[path].Permissions;
        }
    }

    internal void Set(string path, string value, uint owner)
    {
        lock (_gate)
        {
            SetNode(path, value, owner);
        }
    }

    internal void Remove(string path)
    {
        lock (_gate)
        {
            RemoveNode(path);
        }
    }

    /// <summary>Raises a watch event as if the node had changed.</summary>
    internal void Touch(string path)
    {
        lock (_gate)
        {
            Fire(path);
        }
    }

    /// <summary>Ends all connections, as a restarted xenstored does.</summary>
    internal void Restart()
    {
        lock (_gate)
        {
            _connections.ForEach(static connection => connection.Socket.Dispose());
            _connections.Clear();
        }
    }

    internal SafeFd Connect(uint domain)
    {
        var (client, server) = TestLibc.SocketPair();
        Assert.Equal(0, DescriptorCalls.Fcntl(server, Abi.F_SETFL, 0));
        var socket = new Socket(new SafeSocketHandle(server.DangerousGetHandle(), ownsHandle: true));
        server.SetHandleAsInvalid();
        var connection = new Connection(socket, domain);
        lock (_gate)
        {
            _connections.Add(connection);
        }

        new Thread(() => Serve(connection)) { IsBackground = true }.Start();
        return client;
    }

    public void Dispose() => Restart();

    private void Serve(Connection connection)
    {
        var header = new byte[StoreMessage.HeaderLength];
        try
        {
            while (true)
            {
                Exactly(connection.Socket, header);
                var payload = new byte[BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(12))];
                Exactly(connection.Socket, payload);
                var operation = (StoreOperation)BinaryPrimitives.ReadUInt32LittleEndian(header);
                var text = Encoding.Latin1.GetString(payload);
                Requests.AddOrUpdate(operation, 1, static (_, count) => count + 1);
                Before?.Invoke(connection.Domain, operation, text[..text.IndexOf('\0', StringComparison.Ordinal)]);
                lock (_gate)
                {
                    var (isDone, answer) = Do(connection, operation, text);
                    connection.Send(isDone ? operation : StoreOperation.Error, BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)), answer);
                    foreach (var path in connection.NewWatches)
                    {
                        connection.Send(StoreOperation.WatchEvent, 0, $"{path}\0w\0");
                    }

                    connection.NewWatches.Clear();
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or EndOfStreamException)
        {
            lock (_gate)
            {
                _connections.Remove(connection);
            }
        }
    }

    private (bool IsDone, string Answer) Do(Connection connection, StoreOperation operation, string text)
    {
        var parts = text.Split('\0', 2);
        var path = parts[0].StartsWith('/') || parts[0].StartsWith('@') ? parts[0] : $"/local/domain/{connection.Domain}/{parts[0]}";
        var node = _nodes.GetValueOrDefault(path);
        if (!path.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '/' or '_' or '@'))
        {
            return (false, "EINVAL\0");
        }

        switch (operation)
        {
            case StoreOperation.Watch when path.StartsWith('@') && connection.Domain != 0:
                return (false, "EACCES\0");
            case StoreOperation.Watch:
                connection.Watches.Add(path);
                connection.NewWatches.Add(path);
                return (true, "OK\0");
            case StoreOperation.IsDomainIntroduced:
                return connection.Domain != 0 ? (false, "EACCES\0") : (true, _domains.Contains(uint.Parse(path.AsSpan(path.LastIndexOf('/') + 1))) ? "T\0" : "F\0");
            case StoreOperation.Read when node is null || !node.IsReadableBy(connection.Domain):
                return (false, node is null && (connection.Domain == 0 || path.StartsWith($"/local/domain/{connection.Domain}/", StringComparison.Ordinal)) ? "ENOENT\0" : "EACCES\0");
            case StoreOperation.Read:
                return (true, node!.Value);
            case StoreOperation.GetPermissions:
                return node is null ? (false, "ENOENT\0") : (true, node.Permissions);
            case StoreOperation.Directory:
                return (true, string.Concat(_nodes.Keys.Where(other => other.StartsWith(path + "/", StringComparison.Ordinal))
                    .Select(other => other[(path.Length + 1)..].Split('/')[0]).Distinct().Select(name => name + '\0')));
        }

        if (connection.Domain != 0 && !path.StartsWith($"/local/domain/{connection.Domain}/data/", StringComparison.Ordinal)
            && path != $"/local/domain/{connection.Domain}/control/shutdown")
        {
            return (false, "EACCES\0");
        }

        switch (operation)
        {
            case StoreOperation.Write:
                SetNode(path, parts[1], connection.Domain);
                return (true, "OK\0");
            case StoreOperation.MakeNode:
                SetNode(path, "", connection.Domain);
                return (true, "OK\0");
            case StoreOperation.Remove or StoreOperation.SetPermissions when node is null:
                return (false, "ENOENT\0");
            case StoreOperation.Remove:
                RemoveNode(path);
                return (true, "OK\0");
            case StoreOperation.SetPermissions:
                node.Permissions = parts[1];
                Fire(path);
                return (true, "OK\0");
            default:
                return (false, "EINVAL\0");
        }
    }

    private void SetNode(string path, string value, uint owner)
    {
        if (_nodes.TryGetValue(path, out var node))
        {
            node.Value = value;
        }
        else
        {
            _nodes.Add(path, new Node { Value = value, Permissions = $"n{owner}\0" });
        }

        Fire(path);
    }

    private void RemoveNode(string path)
    {
        foreach (var gone in _nodes.Keys.Where(name => name == path || name.StartsWith(path + "/", StringComparison.Ordinal)).ToArray())
        {
            _nodes.Remove(gone);
            Fire(gone);
        }
    }

    private void Fire(string path)
    {
        foreach (var connection in _connections)
        {
            if (connection.Watches.Any(watch => path == watch || path.StartsWith(watch + "/", StringComparison.Ordinal)))
            {
                connection.Send(StoreOperation.WatchEvent, 0, $"{path}\0w\0");
            }
        }
    }

    private static void Exactly(Socket socket, Span<byte> target)
    {
        while (!target.IsEmpty)
        {
            var count = socket.Receive(target);
            if (count == 0)
            {
                throw new EndOfStreamException();
            }

            target = target[count..];
        }
    }

    private sealed class Node
    {
        internal required string Value { get; set; }

        /// <summary>As set: the owner first, each with its zero.</summary>
        internal required string Permissions { get; set; }

        internal bool IsReadableBy(uint domain)
        {
            var entries = Permissions.Split('\0', StringSplitOptions.RemoveEmptyEntries);
            return domain == 0 || entries[0][1..] == $"{domain}" || entries.Skip(1).Any(entry => entry == $"r{domain}");
        }
    }

    private sealed class Connection(Socket socket, uint domain)
    {
        internal Socket Socket => socket;

        internal uint Domain => domain;

        internal List<string> Watches { get; } = [];

        internal List<string> NewWatches { get; } = [];

        internal void Send(StoreOperation operation, uint requestId, string payload)
        {
            try
            {
                socket.Send(Message(operation, requestId, payload));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The client has gone; its thread ends.
            }
        }
    }

    /// <summary>A message as xenstored sends it.</summary>
    internal static byte[] Message(StoreOperation operation, uint requestId, string payload) => StoreMessage.Request(operation, requestId, payload);
}
