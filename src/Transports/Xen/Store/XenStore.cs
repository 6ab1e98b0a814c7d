using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Xen.Devices;

namespace ChannelSdk.Transports.Xen.Store;

/// <summary>
/// A connection to xenstore: one request at a time, and one signal for all its watches. Values and paths are bytes, kept as
/// characters of the same number.
/// </summary>
/// <remarks>
/// Of a watch event only the fact of a change is used; the waiting code reads the nodes again. So a domain that
/// changes its nodes in a loop makes one signal of many events, and not one of its bytes is taken from an event.
/// </remarks>
public sealed class XenStore : IReactorClient, IReactorWork, IDisposable
{
    /// <summary>xenstored answers in milliseconds, under load in more.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    /// <summary>Reads of one turn of the I/O thread.</summary>
    private const int ReadsInTurn = 16;

    private readonly SafeFd _fd;
    private readonly IoReactor _reactor = IoReactor.Shared;
    private readonly ulong _token;
    private readonly StoreInput _input = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _gate = new();
    private TaskCompletionSource<StoreReply>? _pending;
    private TaskCompletionSource? _changed;
    private ChannelException? _failure;
    private uint _lastId;

    /// <summary>Connects to the store of this domain's machine.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.EndpointMissing"/>: this is no Xen domain, or its kernel module is not loaded. <see cref="ChannelError.EndpointDenied"/>.</exception>
    public static XenStore Connect() => new(XenFile.Open(XenFile.Store));

    /// <summary>Takes over a connection; it must be non-blocking.</summary>
    internal XenStore(SafeFd fd)
    {
        _fd = fd;
        try
        {
            _token = _reactor.Register(fd, Abi.EPOLLIN, this);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Whether the connection is of no use any more.</summary>
    public bool HasFailed => Volatile.Read(ref _failure) is not null;

    /// <summary>Ends with the next event of any watch, or the connection. Dispatch it before looking at what is watched.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _failure is not null ? Task.CompletedTask
                    : (_changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }
    }

    /// <summary>A node's value; null if there is none that this domain may read.</summary>
    public Task<string?> ReadAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Read, $"{path}\0", cancellationToken);

    /// <summary>Sets a node's value; makes it if need be.</summary>
    public Task WriteAsync(string path, string value, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Write, $"{path}\0{value}", cancellationToken);

    /// <summary>Makes a node without a value.</summary>
    internal Task MakeNodeAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.MakeNode, $"{path}\0", cancellationToken);

    /// <summary>Removes a node and all below, if it is there.</summary>
    internal Task RemoveAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Remove, $"{path}\0", cancellationToken);

    /// <summary>Sets who may use a node.</summary>
    /// <param name="path">The node.</param>
    /// <param name="permissions">The owner (<c>n3</c>: others may not), then others (<c>r0</c>), each with its zero.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    internal Task SetPermissionsAsync(string path, string permissions, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.SetPermissions, $"{path}\0{permissions}", cancellationToken);

    /// <summary>Lets <see cref="Changed"/> tell of a node and all below, from now until the connection ends; at once, too.</summary>
    public Task WatchAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Watch, $"{path}\0w\0", cancellationToken);

    /// <summary>Makes a request.</summary>
    /// <returns>The payload of the reply; null if the node is not there.</returns>
    /// <exception cref="ChannelException">Denied (<see cref="ChannelError.EndpointDenied"/>); refused, broken or silent (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal async Task<string?> CallAsync(StoreOperation operation, string payload, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var pending = new TaskCompletionSource<StoreReply>(TaskCreationOptions.RunContinuationsAsynchronously);
            byte[] message;
            lock (_gate)
            {
                if (_failure is not null)
                {
                    throw _failure;
                }

                message = StoreMessage.Request(operation, ++_lastId, payload);
                _pending = pending;
            }

            if (operation == StoreOperation.Watch)
            {
                // The kernel waits for xenstored within this one write.
                await Task.Factory.StartNew(() => Send(message), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                    .ConfigureAwait(false);
            }
            else
            {
                Send(message);
            }

            var reply = await pending.Task.WaitAsync(s_patience, cancellationToken).ConfigureAwait(false);
            return reply.Result(operation, payload);
        }
        catch (TimeoutException)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry,
                $"xenstore did not answer for {s_patience.TotalSeconds:F0} seconds; see whether xenstored runs");
        }
        finally
        {
            _turn.Release();
        }
    }

    void IReactorClient.OnEvents(uint events) => Read();

    void IReactorWork.OnReady() => Read();

    /// <summary>Takes what is there, for a turn.</summary>
    private void Read()
    {
        try
        {
            for (var reads = 0; reads < ReadsInTurn; reads++)
            {
                if (!Fill())
                {
                    return;
                }

                while (_input.TryTake(out var message, out var payload))
                {
                    Dispatch(message, payload);
                }
            }

            _reactor.RunSoon(this);
        }
        catch (ChannelException error)
        {
            Fail(error);
        }
        catch (ObjectDisposedException)
        {
            // Ended by another thread.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_fd.IsClosed)
        {
            _reactor.Unregister(_fd, _token);
            _fd.Dispose();
        }

        Fail(new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, "the connection to xenstore was ended by this side"));
    }

    private unsafe void Send(byte[] message)
    {
        fixed (byte* start = message)
        {
            // The driver and a local socket take a message whole or not at all; the driver refuses a watch here.
            if (DescriptorCalls.Write(_fd, start, (nuint)message.Length) != message.Length)
            {
                var errno = Errno.Last;
                var error = EndpointFault.ToException(errno, "write to", "xenstore");
                if (errno is Errno.EPIPE or Errno.ECONNRESET)
                {
                    // The reading side will see it too, but the next request may come before it.
                    Fail(error);
                }

                throw error;
            }
        }
    }

    /// <summary>Reads once; false if there is nothing now.</summary>
    private unsafe bool Fill()
    {
        nint count;
        var room = _input.Room;
        fixed (byte* start = room)
        {
            do
            {
                count = DescriptorCalls.Read(_fd, start, (nuint)room.Length);
            }
            while (count < 0 && Errno.Last == Errno.EINTR);
        }

        if (count > 0)
        {
            _input.Add((int)count);
            return true;
        }

        return count < 0 && Errno.Last == Errno.EAGAIN ? false : throw StoreMessage.Broken(count == 0 ? "its end" : Errno.Describe(Errno.Last));
    }

    private void Dispatch(StoreMessage message, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (message.Operation == StoreOperation.WatchEvent)
            {
                _changed?.TrySetResult();
                _changed = null;
            }
            else if (message.RequestId == _lastId)
            {
                _pending?.TrySetResult(new StoreReply(message.Operation, Encoding.Latin1.GetString(payload)));
                _pending = null;
            }
            // Else the late answer to a request that was given up.
        }
    }

    private void Fail(ChannelException error)
    {
        lock (_gate)
        {
            _failure ??= error;
            _pending?.TrySetException(_failure);
            _changed?.TrySetResult();
            (_pending, _changed) = (null, null);
        }
    }
}
