using System.Text;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Reactor;

namespace ChannelSdk.Transports.Xen.Store;

/// <summary>
/// A connection to xenstore: one request at a time, and one signal for all its watches. Values and paths are bytes, kept as
/// characters of the same number.
/// </summary>
/// <remarks>
/// Of what a watch tells only that something changed is used; whoever waits looks at the nodes again. So a domain that
/// changes its nodes in a loop makes one signal of many events, and not one of its bytes is taken from an event.
/// </remarks>
internal sealed class XenStore : IReactorClient, IReactorWork, IDisposable
{
    /// <summary>xenstored answers in milliseconds, under load in more.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    /// <summary>Reads of one turn of the I/O thread.</summary>
    private const int ReadsInTurn = 16;

    private readonly SafeFd _fd;
    private readonly IoReactor _reactor = IoReactor.Shared;
    private readonly ulong _token;
    private readonly byte[] _input = new byte[StoreMessage.HeaderLength + StoreMessage.MaxPayload];
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Lock _gate = new();
    private TaskCompletionSource<Reply>? _pending;
    private TaskCompletionSource? _changed;
    private ChannelException? _failure;
    private uint _lastId;
    private int _filled;

    /// <summary>Takes over a connection; it must be non-blocking.</summary>
    internal XenStore(SafeFd fd)
    {
        _fd = fd;
        try
        {
            _token = _reactor.Register(fd, Linux.EPOLLIN, this);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Whether the connection is of no use any more.</summary>
    internal bool HasFailed => Volatile.Read(ref _failure) is not null;

    /// <summary>Ends with the next event of any watch, or the connection. Take it before looking at what is watched.</summary>
    internal Task Changed
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
    internal Task<string?> ReadAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Read, $"{path}\0", cancellationToken);

    /// <summary>Sets a node's value; makes it if need be.</summary>
    internal Task WriteAsync(string path, string value, CancellationToken cancellationToken) =>
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
    internal Task WatchAsync(string path, CancellationToken cancellationToken) =>
        CallAsync(StoreOperation.Watch, $"{path}\0w\0", cancellationToken);

    /// <summary>Makes a request.</summary>
    /// <returns>The payload of the reply; null if the node is not there.</returns>
    /// <exception cref="ChannelException">Denied (code 501); refused, broken or silent (code 503).</exception>
    internal async Task<string?> CallAsync(StoreOperation operation, string payload, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var pending = new TaskCompletionSource<Reply>(TaskCreationOptions.RunContinuationsAsynchronously);
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
            Reply reply = await pending.Task.WaitAsync(s_patience, cancellationToken).ConfigureAwait(false);
            if (reply.Operation == operation)
            {
                return reply.Payload;
            }
            string error = reply.Payload.TrimEnd('\0');
            // xenstored does not tell a domain what is not there of nodes that it may not read.
            return error == "ENOENT" || (operation == StoreOperation.Read && error == "EACCES") ? null : throw Refused(operation, payload, error);
        }
        catch (TimeoutException)
        {
            throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry,
                $"xenstore did not answer for {s_patience.TotalSeconds:F0} seconds: see whether xenstored runs.");
        }
        finally
        {
            _turn.Release();
        }
    }

    public void OnEvents(uint events) => OnReady();

    /// <summary>Takes what is there, for a turn.</summary>
    public void OnReady()
    {
        try
        {
            for (int reads = 0; reads < ReadsInTurn; reads++)
            {
                if (!Fill())
                {
                    return;
                }
                TakeMessages();
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

    public void Dispose()
    {
        if (!_fd.IsClosed)
        {
            _reactor.Unregister(_fd, _token);
            _fd.Dispose();
        }
        Fail(new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, "The connection to xenstore was ended by this side."));
    }

    private unsafe void Send(byte[] message)
    {
        fixed (byte* start = message)
        {
            // The driver and a local socket take a message whole or not at all; the driver refuses a watch here.
            if (Libc.Write(_fd, start, (nuint)message.Length) != message.Length)
            {
                int errno = Errno.Last;
                ChannelException error = Errno.ToException(errno, "write to", "xenstore");
                if (errno is Errno.EPIPE or Errno.ECONNRESET)
                {
                    // The reading side will see it, too, but whoever asks next may be before it.
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
        fixed (byte* start = _input)
        {
            do
            {
                count = Libc.Read(_fd, start + _filled, (nuint)(_input.Length - _filled));
            }
            while (count < 0 && Errno.Last == Errno.EINTR);
        }
        if (count > 0)
        {
            _filled += (int)count;
            return true;
        }
        return count < 0 && Errno.Last == Errno.EAGAIN ? false : throw StoreMessage.Broken(count == 0 ? "its end" : Errno.Describe(Errno.Last));
    }

    private void TakeMessages()
    {
        int at = 0;
        while (_filled - at >= StoreMessage.HeaderLength)
        {
            var message = StoreMessage.Parse(_input.AsSpan(at, StoreMessage.HeaderLength));
            if (_filled - at < StoreMessage.HeaderLength + message.Length)
            {
                break;
            }
            Take(message, _input.AsSpan(at + StoreMessage.HeaderLength, message.Length));
            at += StoreMessage.HeaderLength + message.Length;
        }
        // There is always room for one whole message.
        _input.AsSpan(at, _filled - at).CopyTo(_input);
        _filled -= at;
    }

    private void Take(StoreMessage message, ReadOnlySpan<byte> payload)
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
                _pending?.TrySetResult(new Reply(message.Operation, Encoding.Latin1.GetString(payload)));
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

    private static ChannelException Refused(StoreOperation operation, string payload, string error)
    {
        string path = payload[..payload.IndexOf('\0', StringComparison.Ordinal)];
        bool isDenied = error is "EACCES" or "EPERM";
        return new ChannelException(isDenied ? ChannelError.EndpointDenied : ChannelError.TransportFailed, isDenied ? ErrorClass.Refused : ErrorClass.Retry,
            $"xenstore refused {operation} of {path}: {EndpointUri.Printable(error)}."
            + (isDenied ? " A domain may write below its own /local/domain/ID/data, and read what was opened to it." : ""));
    }

    private sealed class Reply(StoreOperation operation, string payload)
    {
        internal StoreOperation Operation => operation;

        internal string Payload => payload;
    }
}
