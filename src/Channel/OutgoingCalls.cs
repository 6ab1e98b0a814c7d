using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Rpc;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>This side's calls of the peer, from their request to the answer, the deadline or the caller's cancel.</summary>
internal sealed class OutgoingCalls(ChannelCore core)
{
    /// <summary>As <see cref="Channel.CallAsync"/>.</summary>
    public ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, CallOptions options, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new()
    {
        var size = Check(method, request, cancellationToken);
        var pending = PendingCall<TReply>.Rent(this, CallMeasure.Begin(core, method), core.Options.InlineCompletions);
        var task = pending.Task;
        lock (core.Gate)
        {
            core.Status.ThrowIfClosed();
            var call = Begin(method, isStream: false, options, pending);
            pending.Attach(call);
            WriteRequest(call, request, size);
            core.Calls.Write(call, size, DataFlags.Fin);
            core.Engine.Rearm();
        }

        pending.RegisterCancel(cancellationToken);
        core.Engine.Flush();
        return task;
    }

    /// <summary>As <see cref="Channel.OpenStreamAsync"/>.</summary>
    public ValueTask<ChannelStream> OpenStreamAsync<TRequest>(
        StreamMethod<TRequest> method, TRequest request, CallOptions options, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, new()
    {
        var size = Check(method, request, cancellationToken);
        ChannelStream stream;
        bool taken;
        ValueTask written = default;
        lock (core.Gate)
        {
            core.Status.ThrowIfClosed();
            var call = Begin(method, isStream: true, options, null);
            stream = new ChannelStream(core, call, CallMeasure.Begin(core, method));
            call.State = stream;
            WriteRequest(call, request, size);
            taken = core.Calls.Write(call, size, DataFlags.None);
            if (!taken)
            {
                written = stream.WaitWritten(cancellationToken);
            }

            core.Engine.Rearm();
        }

        core.Engine.Flush();
        return taken ? new ValueTask<ChannelStream>(stream) : AfterAsync(written, stream);

        static async ValueTask<ChannelStream> AfterAsync(ValueTask written, ChannelStream stream)
        {
            await written.ConfigureAwait(false);
            return stream;
        }
    }

    /// <summary>The caller's token fired.</summary>
    public void Cancel(IPendingCall pending, RpcCall call, int version, CancellationToken token)
    {
        lock (core.Gate)
        {
            if (call.Version != version || call.State != (object)pending)
            {
                return;
            }

            var mayHaveRun = core.Calls.Abort(call, ChannelError.Cancelled);
            pending.SetError(Cancelled(mayHaveRun, token));
            core.Callbacks.Defer(pending);
        }

        core.Callbacks.Run();
        core.Engine.Flush();
    }

    /// <summary>The cancellation with, inside of it, the error whose class tells whether the call may have run.</summary>
    private static OperationCanceledException Cancelled(bool mayHaveRun, CancellationToken token)
    {
        var text = mayHaveRun ? "the call was cancelled; it may have run" : "the call was cancelled before it was sent; it did not run";
        return new OperationCanceledException(text, new ChannelException(ChannelError.Cancelled, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry, text), token);
    }

    /// <summary>Whether the call may be made; gives the request's size in bytes.</summary>
    private int Check(MethodDescriptor method, IMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentNullException.ThrowIfNull(request);
        cancellationToken.ThrowIfCancellationRequested();
        core.Options.Guard?.OnCalling(method.Name, method.IsPrivileged);
        var size = request.CalculateSize();
        return size <= core.Options.MaxMessage
            ? size
            : throw new ChannelException(ChannelError.MessageTooLarge, ErrorClass.Refused, $"a request of {size} bytes, allowed are {core.Options.MaxMessage}");
    }

    private RpcCall Begin(MethodDescriptor method, bool isStream, CallOptions options, object? state)
    {
        var now = core.Now;
        var deadline = At(options.Deadline, "deadline");
        return core.Calls.Begin(method.NameBytes, method.StreamClass, isStream, deadline, now, state, At(options.AnswerWithin, "time for an answer"));

        long At(TimeSpan? time, string what) => time switch
        {
            null => 0,
            { Ticks: <= 0 } => throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"a call's {what} is {time}; it must be above 0"),
            _ => now + Math.Max(1, (long)time.Value.TotalMicroseconds),
        };
    }

    private void WriteRequest(RpcCall call, IMessage request, int size)
    {
        try
        {
            request.WriteTo(call.RentWriteBuffer(size));
        }
        catch
        {
            // The owner changed the message meanwhile, or it cannot be written: there is no call.
            core.Calls.Abort(call, ChannelError.Cancelled);
            throw;
        }
    }
}
