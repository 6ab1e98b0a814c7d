using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Rpc;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>
/// One served method: decodes its request under the channel's lock, runs its handler outside of it. What does not depend on the types of
/// the messages is in the classes without them: each type that a method adds is in the agent's binary once for every method.
/// </summary>
internal abstract class MethodHandler(string name, bool isStream)
{
    public string Name { get; } = name;
    public bool IsStream { get; } = isStream;

    /// <summary>Decodes; throws InvalidProtocolBufferException.</summary>
    public abstract object Decode(ReadOnlySpan<byte> untrustedRequest);

    /// <summary>Runs the handler and answers the call.</summary>
    public abstract void Invoke(IncomingCall call, object request);

    protected static IMessage Decode(IMessage request, ReadOnlySpan<byte> untrustedRequest)
    {
        request.MergeFrom(untrustedRequest);
        return request;
    }
}

internal abstract class UnaryHandler(string name) : MethodHandler(name, isStream: false)
{
    /// <summary>What the handler's task gave.</summary>
    protected abstract IMessage ReplyOf(Task ended);

    protected async Task AwaitAsync(IncomingCall call, Task handling)
    {
        try
        {
            await handling.ConfigureAwait(false);
            // A reply that cannot be written is the handler's failure too.
            call.Reply(ReplyOf(handling));
        }
        catch (Exception e)
        {
            call.Finish(CallStatus.Of(e));
        }
    }
}

internal sealed class UnaryHandler<TRequest, TReply>(string name, Func<TRequest, CallContext, ValueTask<TReply>> handler) : UnaryHandler(name)
    where TRequest : class, IMessage<TRequest>, new()
    where TReply : class, IMessage<TReply>, new()
{
    public override object Decode(ReadOnlySpan<byte> untrustedRequest) => Decode(new TRequest(), untrustedRequest);

    public override void Invoke(IncomingCall call, object request)
    {
        try
        {
            var task = handler((TRequest)request, call);
            if (task.IsCompletedSuccessfully)
            {
                call.Reply(task.Result);
            }
            else
            {
                _ = AwaitAsync(call, task.AsTask());
            }
        }
        catch (Exception e)
        {
            call.Finish(CallStatus.Of(e));
        }
    }

    protected override IMessage ReplyOf(Task ended) => ((Task<TReply>)ended).Result;
}

internal abstract class StreamHandler(string name) : MethodHandler(name, isStream: true)
{
    public override void Invoke(IncomingCall call, object request) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            static state => _ = state.Self.RunAsync(state.call, state.request),
            (Self: this, call, request), preferLocal: false);

    protected abstract ValueTask HandleAsync(object request, IncomingCall call);

    private async Task RunAsync(IncomingCall call, object request)
    {
        if (call.IsOver)
        {
            call.GiveUp();
            return;
        }

        RpcStatus status = default;
        try
        {
            await HandleAsync(request, call).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            status = CallStatus.Of(e);
        }

        call.Finish(status);
    }
}

internal sealed class StreamHandler<TRequest>(string name, Func<TRequest, ChannelStream, CallContext, ValueTask> handler) : StreamHandler(name)
    where TRequest : class, IMessage<TRequest>, new()
{
    public override object Decode(ReadOnlySpan<byte> untrustedRequest) => Decode(new TRequest(), untrustedRequest);

    protected override ValueTask HandleAsync(object request, IncomingCall call) => handler((TRequest)request, call.Stream!, call);
}

internal static class CallStatus
{
    /// <summary>What the caller is told of a handler's exception.</summary>
    public static RpcStatus Of(Exception e) => e switch
    {
        ChannelException error => new RpcStatus(error.Code, error.Class, error.Message),
        OperationCanceledException => new RpcStatus(ChannelError.Cancelled, ErrorClass.MayHaveRun, "the call was cancelled"),
        // The text of an unexpected exception may hold what the peer must not see.
        _ => new RpcStatus(ChannelError.Internal, ErrorClass.MayHaveRun, $"the service failed ({e.GetType().Name})"),
    };
}
