using System.Threading.Tasks.Sources;
using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime;

/// <summary>
/// Messages both ways, in order, with flow control. One read and one write may be under way at a time. It survives the
/// loss of its link; it fails when its session is lost or the peer ends it with an error.
/// </summary>
public sealed class ChannelStream : IAsyncDisposable
{
    private readonly Channel _channel;
    private readonly RpcCall _call;
    private readonly Waiter<ReceivedMessage> _reader;
    private readonly Waiter<bool> _writer;
    private ChannelException? _failure;
    private MessageOwner? _spareOwner;

    internal ChannelStream(Channel channel, RpcCall call)
    {
        (_channel, _call) = (channel, call);
        _reader = new Waiter<ReceivedMessage>(channel);
        _writer = new Waiter<bool>(channel);
    }

    /// <summary>
    /// Writes one message. It completes when the message was taken, which is when the peer has credit for it; until then
    /// the memory must stay as it is.
    /// </summary>
    /// <param name="message">At most what the peer takes (1 MiB by default).</param>
    /// <param name="cancellationToken">Ends the whole stream if it fires while the message is waiting: half of it may be sent.</param>
    /// <exception cref="ChannelException">The stream has failed or ended.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken = default) =>
        WriteAsync(message, DataFlags.None, cancellationToken);

    /// <summary>Ends this side's direction; the peer reads an end after the last message.</summary>
    /// <param name="cancellationToken">As for a write.</param>
    public ValueTask CompleteAsync(CancellationToken cancellationToken = default) =>
        WriteAsync(default, DataFlags.Fin, cancellationToken);

    /// <summary>Reads the next message, or the end (<see cref="ReceivedMessage.IsEnd"/>).</summary>
    /// <param name="cancellationToken">Ends the wait; no message is lost by that.</param>
    /// <exception cref="ChannelException">The peer ended the stream with an error, or the session was lost.</exception>
    public ValueTask<ReceivedMessage> ReadAsync(CancellationToken cancellationToken = default)
    {
        ValueTask<ReceivedMessage> result;
        lock (_channel.Gate)
        {
            if (TryRead(out var message, out var error))
            {
                result = error is null ? new(message) : ValueTask.FromException<ReceivedMessage>(error);
            }
            else
            {
                result = _reader.Wait(static () => { }, cancellationToken);
                if (!_channel.Rpc.AwaitMessage(_call))
                {
                    return result;
                }
            }
        }

        // Reading may have made credit due.
        _channel.Flush();
        return result;
    }

    /// <summary>Ends the stream: resets it if it has not ended in both directions.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_channel.Gate)
        {
            if (!_call.IsOver && !_call.IsIncoming)
            {
                Fail(new ChannelException(ChannelError.StreamClosed, ErrorClass.Refused, "the stream was disposed of"));
                _channel.Rpc.Abort(_call, ChannelError.Cancelled);
            }

            DropUnread();
        }

        _channel.RunDeferred();
        _channel.Flush();
        return ValueTask.CompletedTask;
    }

    private ValueTask WriteAsync(ReadOnlyMemory<byte> message, DataFlags flags, CancellationToken cancellationToken)
    {
        ValueTask result = default;
        lock (_channel.Gate)
        {
            if (_failure is not null)
            {
                return ValueTask.FromException(_failure);
            }

            if (_call.IsOver || _call.OwnDone)
            {
                return ValueTask.FromException(new ChannelException(ChannelError.StreamClosed, ErrorClass.Refused, "this direction of the stream has ended"));
            }

            if (!_channel.Rpc.WriteFrom(_call, message, flags))
            {
                result = _writer.WaitVoid(CancelWrite, cancellationToken);
            }
        }

        _channel.Flush();
        return result;
    }

    /// <summary>Under the channel's lock: waits for the request that was written when the stream was opened.</summary>
    internal ValueTask WaitWritten(CancellationToken cancellationToken) => _writer.WaitVoid(CancelWrite, cancellationToken);

    private void CancelWrite()
    {
        var mayHaveRun = _channel.Rpc.Abort(_call, ChannelError.Cancelled);
        Fail(new ChannelException(ChannelError.Cancelled, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry, "a write on the stream was cancelled"));
    }

    private bool TryRead(out ReceivedMessage message, out ChannelException? error)
    {
        (message, error) = (default, null);
        if (_channel.Rpc.TryRead(_call, out var next))
        {
            var owner = Interlocked.Exchange(ref _spareOwner, null) ?? new MessageOwner(this);
            message = owner.Own(next.Buffer, next.Length);
            return true;
        }

        error = _failure;
        return error is not null || _call.PeerDone;
    }

    /// <summary>An owner whose message was disposed of serves the next one.</summary>
    internal void Reuse(MessageOwner owner) => _spareOwner = owner;

    /// <summary>Gives back what was received and not read: its handler has ended.</summary>
    internal void DropUnread()
    {
        while (_channel.Rpc.TryRead(_call, out var message))
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(message.Buffer);
        }
    }

    /// <summary>Under the channel's lock: a message or the end has come.</summary>
    internal void OnReadable()
    {
        if (_reader.IsWaiting && TryRead(out var message, out var error))
        {
            _reader.SetResult(message, error);
        }
    }

    /// <summary>Under the channel's lock: the pending write was taken.</summary>
    internal void OnWritable()
    {
        if (_writer.IsWaiting)
        {
            _writer.SetResult(true, null);
        }
    }

    /// <summary>Under the channel's lock: nothing more will come. What was received before can still be read.</summary>
    internal void Fail(ChannelException error)
    {
        _failure ??= error;
        OnReadable();
        if (_writer.IsWaiting)
        {
            _writer.SetResult(false, error);
        }
    }

    /// <summary>One waiting reader or writer.</summary>
    private sealed class Waiter<T>(Channel channel) : IValueTaskSource<T>, IValueTaskSource, IDeferred
    {
        private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _registration;
        private CancellationToken _token;
        private Action? _onCancel;
        private T? _result;
        private Exception? _error;

        public bool IsWaiting { get; private set; }

        public ValueTask<T> Wait(Action onCancel, CancellationToken token)
        {
            Arm(onCancel, token);
            return new ValueTask<T>(this, _core.Version);
        }

        public ValueTask WaitVoid(Action onCancel, CancellationToken token)
        {
            Arm(onCancel, token);
            return new ValueTask(this, _core.Version);
        }

        private void Arm(Action onCancel, CancellationToken token)
        {
            if (IsWaiting)
            {
                throw new InvalidOperationException("only one read and one write may be under way on a stream");
            }

            IsWaiting = true;
            if (token.CanBeCanceled)
            {
                (_token, _onCancel) = (token, onCancel);
                _registration = token.UnsafeRegister(static state => ((Waiter<T>)state!).Cancel(), this);
            }
        }

        private void Cancel()
        {
            lock (channel.Gate)
            {
                if (!IsWaiting)
                {
                    return;
                }

                SetResult(default!, new OperationCanceledException(_token));
                _onCancel!();
            }

            channel.RunDeferred();
            channel.Flush();
        }

        public void SetResult(T result, Exception? error)
        {
            IsWaiting = false;
            (_result, _error) = (result, error);
            channel.Defer(this);
        }

        void IDeferred.Run()
        {
            if (_error is { } error)
            {
                _core.SetException(error);
            }
            else
            {
                _core.SetResult(_result!);
            }
        }

        public T GetResult(short token)
        {
            _registration.Dispose();
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                (_registration, _token, _onCancel, _result, _error) = (default, default, null, default, null);
                _core.Reset();
            }
        }

        void IValueTaskSource.GetResult(short token) => GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
