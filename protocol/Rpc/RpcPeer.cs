using System.Buffers;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>
/// Calls over a session, for both sides (PROTOCOL.md section 10): unary ones and streams, with deadline, cancel and
/// status. Pure like the session below it. RpcPeer.Receive.cs has what comes from the peer.
/// </summary>
public sealed partial class RpcPeer : ICallPeer, ISessionHandler
{
    private readonly IRpcHandler _handler;
    private readonly DeadlineWheel _deadlines = new();
    private readonly Stack<SessionCall> _recycled = new();
    private readonly AssemblyBudget _assembly;
    private readonly StreamClassValues _windows;
    private readonly int _maxMessage;
    private readonly BufferPool _buffers;
    private readonly bool _wipes;
    private long _now;

    /// <summary>Makes the rpc layer, and the session below it.</summary>
    /// <param name="role">This side.</param>
    /// <param name="options">The session's bounds.</param>
    /// <param name="maxMessage">Largest message accepted, bytes.</param>
    /// <param name="assemblyBytes">Bytes for messages that their streams' windows are too small for; two of the largest at least.</param>
    /// <param name="handler">Handles calls.</param>
    /// <param name="events">Receives the events of the session and its links.</param>
    /// <param name="nonceSource">Random numbers for session and link names.</param>
    /// <param name="keeper">What keeps the state so that another process can go on with it, or null.</param>
    /// <exception cref="ChannelException">An option is out of range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public RpcPeer(
        PeerRole role, SessionOptions options, int maxMessage, int assemblyBytes, IRpcHandler handler, ISessionEvents events, Func<UInt128> nonceSource, SessionKeeper? keeper = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        (_maxMessage, _buffers, _wipes, _handler) = (maxMessage, keeper?.Buffers ?? BufferPool.Shared, options.WipeMemory, handler);
        (_assembly, _windows) = (new AssemblyBudget(maxMessage, assemblyBytes), options.StreamWindow);
        Session = new Session(role, options, this, events, nonceSource, keeper);
    }

    /// <summary>The session below.</summary>
    public Session Session { get; }

    /// <summary>When <see cref="Tick"/> must be called.</summary>
    public long NextDeadline => Math.Min(Session.NextDeadline, _deadlines.NextDeadline);

    /// <summary>Does what is due by time, as <see cref="Session.Tick"/>; fails calls whose deadline has passed.</summary>
    public void Tick(long now)
    {
        _now = now;
        Session.Tick(now);
        while (_deadlines.TakeExpired(now) is SessionCall call)
        {
            var mayHaveRun = Abandon(call, ChannelError.DeadlineExceeded);
            Fail(call, ChannelError.DeadlineExceeded, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry,
                mayHaveRun ? "the deadline passed before an answer came" : "the deadline passed before the call could be sent");
        }
    }

    /// <inheritdoc/>
    public RpcCall Begin(ReadOnlySpan<byte> method, StreamClass streamClass, bool isStream, long deadline, long now, object? state, long answerBy = 0)
    {
        Span<byte> header = stackalloc byte[RpcHeader.FixedSize + RpcHeader.MaxMethod];
        var left = deadline == 0 ? 0 : (uint)Math.Clamp((deadline - now) / 1000, 1, uint.MaxValue);
        var length = new RpcHeader(isStream, left, method).Write(header);
        var call = NewCall(isIncoming: false, isStream, state);
        try
        {
            call.Stream = Session.Open(streamClass, header[..length], fin: false, call);
        }
        catch
        {
            _recycled.Push(call);
            throw;
        }

        call.FinalDeadline = deadline;
        if (answerBy != 0 && (deadline == 0 || answerBy < deadline))
        {
            call.AwaitsAnswer = true;
            _deadlines.Add(call, answerBy);
        }
        else if (deadline != 0)
        {
            _deadlines.Add(call, deadline);
        }

        return call;
    }

    /// <inheritdoc/>
    public bool WriteFrom(RpcCall rpcCall, ReadOnlyMemory<byte> message, DataFlags flags)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        rpcCall.OwnDone |= (flags & DataFlags.Fin) != 0;
        return Session.Write(((SessionCall)rpcCall).Stream!, message, flags);
    }

    /// <summary>After a write that was not taken at once: what is left of its message is copied, and its memory is free.</summary>
    internal static void KeepWrite(RpcCall rpcCall)
    {
        if (((SessionCall)rpcCall).Stream is not { HasPending: true } stream)
        {
            return;
        }

        var rest = stream.Pending.Length;
        stream.Pending.Span.CopyTo(rpcCall.RentWriteBuffer(rest));
        stream.Pending = rpcCall.WriteBuffer[..rest];
    }

    /// <inheritdoc/>
    public void Finish(RpcCall rpcCall, in RpcStatus status)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SessionCall)rpcCall;
        if (call.IsOver || call.OwnDone)
        {
            return;
        }

        if (call.Stream is { CanWrite: false })
        {
            // A message of the stream is still pending; its handler has given up waiting for it.
            Abort(call, status.Code == ChannelError.None ? ChannelError.StreamRefused : status.Code);
            return;
        }

        if (status.Code == ChannelError.None)
        {
            WriteFrom(call, default, DataFlags.Fin);
        }
        else
        {
            var length = status.Write(call.RentWriteBuffer(RpcStatus.MaxSize));
            this.Write(call, length, DataFlags.Fin | DataFlags.Trailer);
        }
    }

    /// <inheritdoc/>
    public bool TryRead(RpcCall rpcCall, out RpcMessage message)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        if (!rpcCall.Received.TryDequeue(out message))
        {
            return false;
        }

        GiveBack((SessionCall)rpcCall, message.Credit, message.Frames);
        return true;
    }

    /// <summary>The owner is done with messages that it took by <see cref="IRpcHandler.OnStreamMessage"/>: their sender gets credit for them, once.</summary>
    internal void Return(RpcCall rpcCall, int credit, int frames)
    {
        var call = (SessionCall)rpcCall;
        (credit, frames) = (Math.Min(credit, call.Unread.Credit), Math.Min(frames, call.Unread.Frames));
        if (frames > 0)
        {
            call.Unread = (call.Unread.Credit - credit, call.Unread.Frames - frames);
            GiveBack(call, credit, frames);
        }
    }

    /// <summary>As <see cref="Return"/>, for all that was not given back.</summary>
    internal void ReturnAll(RpcCall rpcCall) => Return(rpcCall, int.MaxValue, int.MaxValue);

    private void GiveBack(SessionCall call, int credit, int frames)
    {
        call.ReaderWaits = false;
        FreeSlot(call);
        if (call.Stream is { } stream)
        {
            Session.Consume(stream, credit, frames);
            ReleasePartCredit(call);
        }
    }

    /// <inheritdoc/>
    public bool AwaitMessage(RpcCall rpcCall)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SessionCall)rpcCall;
        call.ReaderWaits = true;
        if (call.IsOver || call.PartFrames == 0)
        {
            return false;
        }

        ReleasePartCredit(call);
        return call.PartFrames == 0;
    }

    /// <inheritdoc/>
    public bool Abort(RpcCall rpcCall, ChannelError code)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SessionCall)rpcCall;
        if (call.IsOver)
        {
            return true;
        }

        var mayHaveRun = Abandon(call, code);
        Recycle(call);
        return mayHaveRun;
    }

    private bool Abandon(SessionCall call, ChannelError code)
    {
        var stream = call.Stream!;
        Session.Reset(stream, code);
        Forget(call);
        return stream.MayHaveRun;
    }

    private void Fail(SessionCall call, ChannelError code, ErrorClass errorClass, string text)
    {
        call.Status = new RpcStatus(code, errorClass, text);
        if (!call.IsRefused)
        {
            _handler.OnFailed(call);
        }

        Recycle(call);
    }

    private SessionCall NewCall(bool isIncoming, bool isStream, object? state)
    {
        var call = _recycled.TryPop(out var recycled) ? recycled : new SessionCall(_buffers, _wipes);
        call.Reuse(isIncoming, isStream, state);
        return call;
    }

    private void Forget(SessionCall call)
    {
        _deadlines.Remove(call);
        if (call.Stream is { } stream)
        {
            stream.State = null;
            call.Stream = null;
        }

        // A complete message keeps its slot until it is read.
        if (call.Received.Count == 0)
        {
            FreeSlot(call);
        }
    }

    private void Recycle(SessionCall call)
    {
        call.Version++;
        if (call.IsStream)
        {
            // Its owner may still read what came whole before the end; the collector takes it.
            call.PartialLength = 0;
            call.ReturnPartial();
            return;
        }

        call.Release();
        call.State = null;
        if (_recycled.Count < 64)
        {
            _recycled.Push(call);
        }
    }
}
