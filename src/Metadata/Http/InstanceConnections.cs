using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// Where the connections of one instance come from. A connection is served only when one of the instance's slots is
/// free: until then a listener holds that one and accepts no more, so further ones wait in the kernel's backlog.
/// </summary>
internal sealed class InstanceConnections : IAsyncDisposable
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly MetadataInstance _instance;
    private readonly ConnectionHub _hub;
    private readonly SocketConnectionContextFactory _sockets;
    private readonly SemaphoreSlim _slots;
    private readonly ConcurrentDictionary<ConnectionContext, bool> _open = new();
    private readonly ConcurrentDictionary<Task, bool> _loops = new();
    private readonly CancellationTokenSource _stop = new();

    public InstanceConnections(MetadataInstance instance, ConnectionHub hub, SocketConnectionContextFactory sockets, int slots)
    {
        (_instance, _hub, _sockets) = (instance, hub, sockets);
        _slots = new SemaphoreSlim(slots, slots);
    }

    /// <summary>Connections that are open now.</summary>
    public int Count => _open.Count;

    /// <summary>Accepts from a listening socket, which this owns from now on, until the instance is detached.</summary>
    public void Start(Socket listener)
    {
        ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, _instance);
        var loop = AcceptAsync(listener);
        _loops[loop] = true;
        _ = loop.ContinueWith(done => _loops.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Serves one stream; returns at its end.</summary>
    public async Task ServeAsync(Stream stream, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_stop.IsCancellationRequested, _instance);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        await _slots.WaitAsync(either.Token).ConfigureAwait(false);
        var connection = new StreamConnection(stream, _instance.Name);
        using var cancel = cancellationToken.UnsafeRegister(static c => ((ConnectionContext)c!).Abort(), connection.Context);
        await HandOverAsync(connection.Context, null).ConfigureAwait(false);
        await connection.RunAsync().ConfigureAwait(false);
    }

    /// <summary>Runs Kestrel's HTTP over a connection of this instance and gives its slot back.</summary>
    public async Task RunAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        try
        {
            await next(connection).ConfigureAwait(false);
        }
        finally
        {
            Release(connection);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_loops.Keys).ConfigureAwait(false);
        foreach (var connection in _open.Keys)
        {
            connection.Abort(new ConnectionAbortedException("the instance was detached"));
        }
    }

    private async Task AcceptAsync(Socket listener)
    {
        // The caller does not wait for the first connection.
        await Task.Yield();
        try
        {
            while (true)
            {
                try
                {
                    var socket = await listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                    await ServeAsync(socket).ConfigureAwait(false);
                }
                catch (SocketException e) when (e.SocketErrorCode is not (SocketError.OperationAborted or SocketError.NotSocket or SocketError.InvalidArgument))
                {
                    // A connection that ended before it was accepted, or no file descriptor to be had just now.
                    await Task.Delay(e.SocketErrorCode == SocketError.ConnectionAborted ? TimeSpan.Zero : s_pause, _stop.Token).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // Detached, or the listener is no longer one: there is nothing left to accept.
        }
        finally
        {
            listener.Dispose();
        }
    }

    // The slot comes after the connection: a listener that waits for a guest must not keep one from the others.
    private async ValueTask ServeAsync(Socket socket)
    {
        try
        {
            await _slots.WaitAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            throw;
        }

        if (Connect(socket) is { } connection)
        {
            await HandOverAsync(connection, socket).ConfigureAwait(false);
        }
        else
        {
            _slots.Release();
        }
    }

    // Null: the guest has gone already.
    private ConnectionContext? Connect(Socket socket)
    {
        try
        {
            var local = socket.LocalEndPoint as IPEndPoint;
            if (local is not null)
            {
                socket.NoDelay = true;
            }

            if (local?.Address.IsIPv6LinkLocal != true)
            {
                return _sockets.Create(socket);
            }
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }

        var connection = new StreamConnection(new HostZoneFilter(new NetworkStream(socket, ownsSocket: true)), _instance.Name);
        _ = connection.RunAsync();
        return connection.Context;
    }

    private async ValueTask HandOverAsync(ConnectionContext connection, Socket? socket)
    {
        connection.Features.Set(new InstanceConnection(_instance, socket));
        _open[connection] = true;
        if (_stop.IsCancellationRequested || !await _hub.AddAsync(connection).ConfigureAwait(false))
        {
            Release(connection);
            connection.Abort(new ConnectionAbortedException("the instance was detached"));
            await connection.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Release(ConnectionContext connection)
    {
        if (_open.TryRemove(connection, out _))
        {
            _slots.Release();
        }
    }
}
