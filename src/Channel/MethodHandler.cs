using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Rpc;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>One served method: decodes its request under the channel's lock, runs its handler outside of it.</summary>
internal abstract class MethodHandler(string name, bool isStream)
{
    public string Name { get; } = name;
    public bool IsStream { get; } = isStream;

    /// <summary>Decodes; throws InvalidProtocolBufferException.</summary>
    public abstract object Decode(ReadOnlySpan<byte> untrustedRequest);

    /// <summary>Runs the handler and answers the call.</summary>
    public abstract void Invoke(IncomingCall call, object request);
}

internal sealed class UnaryHandler<TRequest, TReply>(string name, Func<TRequest, CallContext, ValueTask<TReply>> handler) : MethodHandler(name, isStream: false)
    where TRequest : class, IMessage<TRequest>, new()
    where TReply : class, IMessage<TReply>, new()
{
    private static readonly MessageParser<TRequest> s_parser = new(() => new TRequest());

    public override object Decode(ReadOnlySpan<byte> untrustedRequest) => s_parser.ParseFrom(untrustedRequest);

    public override void Invoke(IncomingCall call, object request)
    {
        try
        {
            var task = handler((TRequest)request, call);
            if (task.IsCompletedSuccessfully)
            {
                // A reply that cannot be written is the handler's failure too.
                call.Reply(task.Result);
            }
            else
            {
                _ = AwaitAsync(call, task);
            }
        }
        catch (Exception e)
        {
            call.Finish(CallStatus.Of(e));
        }
    }

    private static async Task AwaitAsync(IncomingCall call, ValueTask<TReply> task)
    {
        try
        {
            call.Reply(await task.ConfigureAwait(false));
        }
        catch (Exception e)
        {
            call.Finish(CallStatus.Of(e));
        }
    }

    private static RpcStatus StatusOf(Exception e) => CallStatus.Of(e);
}

internal sealed class StreamHandler<TRequest>(string name, Func<TRequest, ChannelStream, CallContext, ValueTask> handler) : MethodHandler(name, isStream: true)
    where TRequest : class, IMessage<TRequest>, new()
{
    private static readonly MessageParser<TRequest> s_parser = new(() => new TRequest());

    public override object Decode(ReadOnlySpan<byte> untrustedRequest) => s_parser.ParseFrom(untrustedRequest);

    public override void Invoke(IncomingCall call, object request) =>
        ThreadPool.UnsafeQueueUserWorkItem(
            static state => _ = state.Self.RunAsync(state.call, (TRequest)state.request),
            (Self: this, call, request), preferLocal: false);

    private async Task RunAsync(IncomingCall call, TRequest request)
    {
        if (call.IsOver)
        {
            call.GiveUp();
            return;
        }

        RpcStatus status = default;
        try
        {
            await handler(request, call.Stream!, call).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            status = CallStatus.Of(e);
        }

        call.Finish(status);
    }
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
