using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Text;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>Dispatches what comes on calls: requests to handlers, replies to callers, messages to streams. Under the channel's lock.</summary>
internal sealed class CallDispatcher(ChannelCore core, ServiceRegistry services) : IRpcHandler
{
    /// <summary>Handlers that run, by class: also those whose call was reset, until they end.</summary>
    private readonly int[] _running = new int[StreamClassValues.Count];

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
    {
        if (services.Find(untrustedHeader.Method) is not { } handler || handler.IsStream != untrustedHeader.IsStream)
        {
            if (core.Options.Guard is { } guard)
            {
                core.Callbacks.Defer(new Refusal(guard, PeerText.Decode(untrustedHeader.Method)));
            }

            return false;
        }

        var deadline = untrustedHeader.DeadlineMs == 0 ? (long?)null : core.Now + 1000L * untrustedHeader.DeadlineMs;
        call.State = new IncomingCall(core, call, handler, deadline);
        return true;
    }

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
        if (call.State is IPendingCall pending)
        {
            pending.Decode(untrustedMessage);
            core.Callbacks.Defer(pending);
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
            core.Calls.Finish(call, new RpcStatus(ChannelError.InvalidArgument, ErrorClass.Refused, $"the request of {incoming.Method} cannot be decoded"));
            return;
        }
        catch (Exception e)
        {
            core.Calls.Finish(call, CallStatus.Of(e));
            return;
        }

        var most = core.Options.Session.MaxStreams[call.StreamClass];
        if (!incoming.TryCount(_running, most))
        {
            core.Calls.Finish(call, new RpcStatus(ChannelError.TooManyStreams, ErrorClass.Retry, $"{most} handlers of {call.StreamClass} calls run, some for calls that were given up; no more may"));
            return;
        }

        incoming.Stream = call.IsStream ? new ChannelStream(core, call) : null;
        core.Callbacks.Defer(new Invocation(core, incoming, request));
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
                core.Callbacks.Defer(pending);
                break;
            case IncomingCall incoming:
                core.Callbacks.Defer(incoming);
                break;
        }
    }

    private static ChannelStream? StreamOf(RpcCall call) => call.State as ChannelStream ?? (call.State as IncomingCall)?.Stream;

    /// <summary>A handler about to run.</summary>
    private sealed class Invocation(ChannelCore core, IncomingCall incoming, object request) : IDeferred
    {
        public void Run()
        {
            if (incoming.IsOver)
            {
                // The caller gave it up meanwhile, and may have told its own caller that it did not run.
                incoming.GiveUp();
                return;
            }

            try
            {
                core.Options.Guard?.OnCalled(incoming.Method, isServed: true);
            }
            catch (ChannelException e)
            {
                incoming.Finish(new RpcStatus(e.Code, e.Class, e.Message));
                return;
            }
            catch (Exception e)
            {
                // A policy that cannot be asked allows nothing.
                core.Faults.Report($"the guard of {incoming.Method} failed", e);
                incoming.Finish(new RpcStatus(ChannelError.Internal, ErrorClass.Refused, "the call could not be checked"));
                return;
            }

            incoming.Handler.Invoke(incoming, request);
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
