using System.Buffers;
using System.IO.Pipelines;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Channels;

/// <summary>
/// Messages both ways, in order, with flow control. One read and one write may be under way at a time. It survives the
/// loss of its link; it fails when its session is lost or the peer ends it with an error.
/// </summary>
public sealed class ChannelStream : IAsyncDisposable
{
    private readonly ChannelCore _core;
    private readonly RpcCall _call;
    private readonly StreamWaiter<ReceivedMessage> _reader;
    private readonly StreamWaiter<bool> _writer;
    private ChannelException? _failure;
    private MessageOwner? _spareOwner;
    private CallMeasure _measure;

    internal ChannelStream(ChannelCore core, RpcCall call, CallMeasure measure = default)
    {
        (_core, _call, _measure) = (core, call, measure);
        _reader = new StreamWaiter<ReceivedMessage>(core);
        _writer = new StreamWaiter<bool>(core);
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
        lock (_core.Gate)
        {
            if (TryRead(out var message, out var error))
            {
                result = error is null ? new(message) : ValueTask.FromException<ReceivedMessage>(error);
            }
            else
            {
                result = _reader.Wait(static () => { }, cancellationToken);
                if (!_core.Calls.AwaitMessage(_call))
                {
                    return result;
                }
            }
        }

        // Reading may have made credit due.
        _core.Engine.Flush();
        return result;
    }

    /// <summary>
    /// The stream as plain bytes, which takes it over: boundaries of messages are lost. See <see cref="ChannelByteStream"/>.
    /// </summary>
    public Stream AsStream() => new ChannelByteStream(this);

    /// <summary>
    /// The stream as two pipes, which take it over. Nothing is read ahead of the reader, and a flush ends when the peer has credit for what
    /// it holds. The completion of the output ends this side's direction, that of both ends the stream, and a completion with an error
    /// resets it. The peer's errors are <see cref="IOException"/>s around a <see cref="ChannelException"/>.
    /// </summary>
    public IDuplexPipe AsDuplexPipe() => new ChannelDuplexPipe(new ChannelByteStream(this));

    /// <summary>Ends the stream: resets it if it has not ended in both directions.</summary>
    public ValueTask DisposeAsync()
    {
        ChannelError outcome;
        lock (_core.Gate)
        {
            // A side that has ended its direction, or has seen the other's end, needs no more of the stream.
            outcome = _failure?.Code ?? (_call.IsOver || _call.OwnDone || _call.PeerDone ? ChannelError.None : ChannelError.Cancelled);
            if (!_call.IsOver && !_call.IsIncoming)
            {
                Fail(new ChannelException(ChannelError.StreamClosed, ErrorClass.Refused, "the stream was disposed of"));
                _core.Calls.Abort(_call, ChannelError.Cancelled);
            }

            DropUnread();
        }

        _core.Callbacks.Run();
        _core.Engine.Flush();
        _measure.End(outcome);
        return ValueTask.CompletedTask;
    }

    private ValueTask WriteAsync(ReadOnlyMemory<byte> message, DataFlags flags, CancellationToken cancellationToken)
    {
        ValueTask result = default;
        lock (_core.Gate)
        {
            if (_failure is not null)
            {
                return ValueTask.FromException(_failure);
            }

            if (_call.IsOver || _call.OwnDone)
            {
                return ValueTask.FromException(new ChannelException(ChannelError.StreamClosed, ErrorClass.Refused, "this direction of the stream has ended"));
            }

            if (!_core.Calls.WriteFrom(_call, message, flags))
            {
                result = _writer.WaitVoid(CancelWrite, cancellationToken);
            }
        }

        _core.Engine.Flush();
        return result;
    }

    /// <summary>Under the channel's lock: waits for the request that was written when the stream was opened.</summary>
    internal ValueTask WaitWritten(CancellationToken cancellationToken) => _writer.WaitVoid(CancelWrite, cancellationToken);

    private void CancelWrite()
    {
        var mayHaveRun = _core.Calls.Abort(_call, ChannelError.Cancelled);
        Fail(new ChannelException(ChannelError.Cancelled, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry, "a write on the stream was cancelled"));
    }

    private bool TryRead(out ReceivedMessage message, out ChannelException? error)
    {
        (message, error) = (default, null);
        if (_core.Calls.TryRead(_call, out var next))
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
        while (_core.Calls.TryRead(_call, out var message))
        {
            ArrayPool<byte>.Shared.Return(message.Buffer);
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
}
