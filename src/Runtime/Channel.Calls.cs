using ChannelSdk.Protocol;
using ChannelSdk.Transports;
using Google.Protobuf;

namespace ChannelSdk.Runtime;

/// <summary>Events of the rpc layer, handed to callers, handlers and watchers once the lock is free.</summary>
public sealed partial class Channel : IRpcHandler
{
    private readonly Queue<IDeferred> _deferred = new();
    private PeerIdentity? _peer;
    private Heartbeat? _heartbeat;
    private long _heartbeatAt;
    private ChannelException? _lastError;
    private int _resumes;
    /// <summary>Handlers that run, by class: also those whose call was reset, until they end.</summary>
    private readonly int[] _handlersRunning = new int[StreamClassValues.Count];

    /// <summary>Under the lock: to be run by <see cref="RunDeferred"/>.</summary>
    internal void Defer(IDeferred action) => _deferred.Enqueue(action);

    /// <summary>Runs what has gathered, outside of the lock.</summary>
    internal void RunDeferred()
    {
        while (true)
        {
            IDeferred action;
            lock (Gate)
            {
                if (!_deferred.TryDequeue(out action!))
                {
                    return;
                }
            }

            try
            {
                action.Run();
            }
            catch (Exception e)
            {
                // Each on its own: what one does hurts neither the next nor the loop that runs them.
                ReportFault("a callback failed", e);
            }
        }
    }

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
    {
        if (_services.Find(untrustedHeader.Method) is not { } handler || handler.IsStream != untrustedHeader.IsStream)
        {
            if (_options.Guard is { } guard)
            {
                Defer(new Refusal(guard, PeerText.Decode(untrustedHeader.Method)));
            }

            return false;
        }

        var deadline = untrustedHeader.DeadlineMs == 0 ? (long?)null : Now + 1000L * untrustedHeader.DeadlineMs;
        call.State = new IncomingCall(this, call, handler, _peer ?? default, deadline);
        return true;
    }

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
        if (call.State is IPendingCall pending)
        {
            pending.Decode(untrustedMessage);
            Defer(pending);
            return;
        }

        var incoming = (IncomingCall)call.State!;
        object request;
        try
        {
            request = incoming.Handler.Decode(untrustedMessage);
        }
        catch (InvalidProtocolBufferException)
        {
            Rpc.Finish(call, new RpcStatus(ChannelError.InvalidArgument, ErrorClass.Refused, $"the request of {incoming.Method} cannot be decoded"));
            return;
        }
        catch (Exception e)
        {
            Rpc.Finish(call, CallStatus.Of(e));
            return;
        }

        var most = _options.Session.MaxStreams[call.Stream!.Class];
        if (!incoming.TryCount(_handlersRunning, most))
        {
            Rpc.Finish(call, new RpcStatus(ChannelError.TooManyStreams, ErrorClass.Retry, $"{most} handlers of {call.Stream.Class} calls run, some for calls that were given up; no more may"));
            return;
        }

        incoming.Stream = call.IsStream ? new ChannelStream(this, call) : null;
        Defer(new Invocation(this, incoming, request));
    }

    void IRpcHandler.OnReadable(RpcCall call) => StreamOf(call)?.OnReadable();

    void IRpcHandler.OnWritable(RpcCall call) => StreamOf(call)?.OnWritable();

    void IRpcHandler.OnFailed(RpcCall call)
    {
        var error = call.Status!.Value.ToException();
        StreamOf(call)?.Fail(error);
        switch (call.State)
        {
            case IPendingCall pending:
                pending.SetError(error);
                Defer(pending);
                break;
            case IncomingCall incoming:
                Defer(incoming);
                break;
        }
    }

    void IRpcHandler.OnEstablished(bool resumed)
    {
        _linkState = LinkState.Up;
        _resumes = resumed ? _resumes + 1 : 0;
        _ready.TrySetResult();
        _events.Publish(ChannelEventKind.LinkUp, ChannelError.None, $"link to {_peer} is up");
        _events.Publish(resumed ? ChannelEventKind.SessionResumed : ChannelEventKind.SessionStarted, ChannelError.None, $"session {Rpc.Session.SessionId:x32}");
    }

    void IRpcHandler.OnLinkLost(ChannelError error, string text)
    {
        _linkState = LinkState.Handshake;
        ResetReady();
        _events.Publish(ChannelEventKind.LinkLost, error, text);
    }

    void IRpcHandler.OnSessionLost(ChannelError error, string text)
    {
        _heartbeat = null;
        _lastError = new ChannelException(error, ErrorClass.Fatal, text);
        ResetReady();
        _events.Publish(ChannelEventKind.SessionLost, error, text);
    }

    void IRpcHandler.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
        var isChange = _heartbeat is not { } last || (last.State, last.Until, last.Detail) != (heartbeat.State, heartbeat.Until, heartbeat.Detail);
        // A heartbeat that measured nothing keeps the last measurement.
        _heartbeat = heartbeat with { RoundTrip = heartbeat.RoundTrip ?? _heartbeat?.RoundTrip };
        _heartbeatAt = Now;
        if (isChange)
        {
            _events.Publish(ChannelEventKind.PeerState, ChannelError.None, $"peer is {heartbeat.State}", heartbeat);
        }
    }

    /// <summary>Whether the call has ended: nobody waits for its answer.</summary>
    internal bool IsOver(IncomingCall incoming)
    {
        lock (Gate)
        {
            return incoming.Call.Version != incoming.Version || incoming.Call.IsOver;
        }
    }

    /// <summary>Answers a unary call.</summary>
    internal void Reply(IncomingCall incoming, IMessage reply)
    {
        incoming.Uncount();
        var size = reply.CalculateSize();
        if (size > _options.MaxMessage)
        {
            Finish(incoming, new RpcStatus(ChannelError.MessageTooLarge, ErrorClass.MayHaveRun, $"the reply has {size} bytes, allowed are {_options.MaxMessage}"));
            return;
        }

        lock (Gate)
        {
            var call = incoming.Call;
            if (call.Version == incoming.Version && !call.IsOver && call.CanWrite)
            {
                reply.WriteTo(call.RentWriteBuffer(size));
                Rpc.Write(call, size, DataFlags.Fin);
            }
        }

        Flush();
    }

    /// <summary>Ends an incoming call with a status.</summary>
    internal void Finish(IncomingCall incoming, RpcStatus status)
    {
        incoming.Uncount();
        lock (Gate)
        {
            if (incoming.Call.Version == incoming.Version)
            {
                Rpc.Finish(incoming.Call, status);
            }

            incoming.Stream?.DropUnread();
        }

        RunDeferred();
        Flush();
    }

    /// <summary>A call that was given up before its handler began.</summary>
    internal void GiveUp(IncomingCall incoming)
    {
        incoming.Uncount();
        lock (Gate)
        {
            incoming.Stream?.DropUnread();
        }

        Flush();
    }

    /// <summary>The caller's token fired.</summary>
    internal void CancelPending(IPendingCall pending, RpcCall call, int version, CancellationToken token)
    {
        lock (Gate)
        {
            if (call.Version != version || call.State != (object)pending)
            {
                return;
            }

            var mayHaveRun = Rpc.Abort(call, ChannelError.Cancelled);
            pending.SetError(Cancelled(mayHaveRun, token));
            Defer(pending);
        }

        RunDeferred();
        Flush();
    }

    /// <summary>The cancellation with, inside of it, the error whose class tells whether the call may have run.</summary>
    internal static OperationCanceledException Cancelled(bool mayHaveRun, CancellationToken token)
    {
        var text = mayHaveRun ? "the call was cancelled; it may have run" : "the call was cancelled before it was sent; it did not run";
        return new OperationCanceledException(text, new ChannelException(ChannelError.Cancelled, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry, text), token);
    }

    private void ResetReady()
    {
        if (_ready.Task.IsCompleted && !_isClosed)
        {
            _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    private static ChannelStream? StreamOf(RpcCall call) => call.State as ChannelStream ?? (call.State as IncomingCall)?.Stream;

    /// <summary>A handler about to run.</summary>
    private sealed class Invocation(Channel channel, IncomingCall incoming, object request) : IDeferred
    {
        public void Run()
        {
            if (channel.IsOver(incoming))
            {
                // The caller gave it up meanwhile, and may have told its own caller that it did not run.
                channel.GiveUp(incoming);
                return;
            }

            try
            {
                channel._options.Guard?.OnCalled(incoming.Method, isServed: true);
            }
            catch (ChannelException e)
            {
                channel.Finish(incoming, new RpcStatus(e.Code, e.Class, e.Message));
                return;
            }
            catch (Exception e)
            {
                // A policy that cannot be asked allows nothing.
                channel.ReportFault($"the guard of {incoming.Method} failed", e);
                channel.Finish(incoming, new RpcStatus(ChannelError.Internal, ErrorClass.Refused, "the call could not be checked"));
                return;
            }

            incoming.Handler.Invoke(channel, incoming, request);
        }
    }

    /// <summary>A call of something that is not here, for the guard to note.</summary>
    private sealed class Refusal(ICallGuard guard, string untrustedMethod) : IDeferred
    {
        public void Run()
        {
            try
            {
                guard.OnCalled(untrustedMethod, isServed: false);
            }
            catch (ChannelException)
            {
                // It is refused already.
            }
        }
    }
}
