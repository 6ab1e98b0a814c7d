using System.Collections.Concurrent;
using System.Threading.Tasks.Sources;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Rpc;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>A unary call whose caller waits.</summary>
internal interface IPendingCall : IDeferred
{
    /// <summary>Decodes the reply, under the channel's lock.</summary>
    void Decode(ReadOnlySpan<byte> untrustedReply);

    /// <summary>Ends in an error.</summary>
    void SetError(Exception error);
}

/// <summary>Pooled, so that a call allocates nothing but its messages.</summary>
internal sealed class PendingCall<TReply> : IPendingCall, IValueTaskSource<TReply>
    where TReply : class, IMessage<TReply>, new()
{
    private const int MostPooled = 256;
    private static readonly ConcurrentQueue<PendingCall<TReply>> s_pool = new();
    private static readonly MessageParser<TReply> s_parser = new(() => new TReply());
    private ManualResetValueTaskSourceCore<TReply> _core;
    private CancellationTokenRegistration _registration;
    private OutgoingCalls? _owner;
    private CallMeasure _measure;
    private CancellationToken _token;
    private RpcCall? _call;
    private int _version;
    private TReply? _reply;
    private Exception? _error;

    public static PendingCall<TReply> Rent(OutgoingCalls owner, CallMeasure measure, bool inline)
    {
        var call = s_pool.TryDequeue(out var pooled) ? pooled : new PendingCall<TReply>();
        (call._owner, call._measure) = (owner, measure);
        call._core.RunContinuationsAsynchronously = !inline;
        return call;
    }

    public ValueTask<TReply> Task => new(this, _core.Version);

    /// <summary>Under the channel's lock.</summary>
    public void Attach(RpcCall call) => (_call, _version) = (call, call.Version);

    public void RegisterCancel(CancellationToken token)
    {
        if (token.CanBeCanceled)
        {
            _token = token;
            _registration = token.UnsafeRegister(static state => ((PendingCall<TReply>)state!).Cancel(), this);
        }
    }

    private void Cancel() => _owner!.Cancel(this, _call!, _version, _token);

    public void Decode(ReadOnlySpan<byte> untrustedReply)
    {
        try
        {
            _reply = s_parser.ParseFrom(untrustedReply);
        }
        catch (Exception e)
        {
            _error = new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "the peer's reply cannot be decoded", e);
        }
    }

    public void SetError(Exception error) => _error = error;

    public void Run()
    {
        // Before the result, which gives this object to its next user.
        _measure.End(_error is null ? ChannelError.None : (_error as ChannelException)?.Code ?? ChannelError.Cancelled);
        if (_error is { } error)
        {
            _core.SetException(error);
        }
        else
        {
            _core.SetResult(_reply!);
        }
    }

    TReply IValueTaskSource<TReply>.GetResult(short token)
    {
        // Waits for a cancel callback that is running, so that it never meets this object's next user.
        _registration.Dispose();
        try
        {
            return _core.GetResult(token);
        }
        finally
        {
            (_registration, _owner, _call, _reply, _error, _token) = (default, null, null, null, null, default);
            _core.Reset();
            if (s_pool.Count < MostPooled)
            {
                s_pool.Enqueue(this);
            }
        }
    }

    ValueTaskSourceStatus IValueTaskSource<TReply>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<TReply>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
