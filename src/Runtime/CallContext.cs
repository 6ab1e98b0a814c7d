using ChannelSdk.Protocol;
using ChannelSdk.Transports;

namespace ChannelSdk.Runtime;

/// <summary>What a handler knows of the call that it serves.</summary>
public abstract class CallContext
{
    private protected CallContext()
    {
    }

    /// <summary>Fires when the caller cancels, the deadline passes or the session is lost.</summary>
    public abstract CancellationToken CancellationToken { get; }

    /// <summary>Time left before the caller's deadline, or null if it gave none.</summary>
    public abstract TimeSpan? TimeLeft { get; }

    /// <summary>Who the transport says the caller is.</summary>
    public abstract PeerIdentity Peer { get; }

    /// <summary>The method's name.</summary>
    public abstract string Method { get; }
}

/// <summary>An incoming call. <see cref="Version"/> tells whether the pooled call object is still this one's.</summary>
internal sealed class IncomingCall(Channel channel, RpcCall call, MethodHandler handler, PeerIdentity peer, long? deadline) : CallContext, IDeferred
{
    private CancellationTokenSource? _cancellation;
    private volatile bool _isCancelled;
    private readonly StreamClass _class = call.Stream!.Class;
    private int[]? _running;
    private int _isCounted;

    public RpcCall Call { get; } = call;
    public int Version { get; } = call.Version;
    public MethodHandler Handler { get; } = handler;
    public ChannelStream? Stream { get; set; }

    public override PeerIdentity Peer { get; } = peer;
    public override string Method => Handler.Name;
    public override TimeSpan? TimeLeft => deadline is { } at ? TimeSpan.FromMicroseconds(Math.Max(0, at - channel.Now)) : null;

    public override CancellationToken CancellationToken
    {
        get
        {
            if (_cancellation is null)
            {
                Interlocked.CompareExchange(ref _cancellation, new CancellationTokenSource(), null);
                if (_isCancelled)
                {
                    _cancellation.Cancel();
                }
            }

            return _cancellation.Token;
        }
    }

    /// <summary>Under the lock: counts a handler about to run, unless as many of its class run as may.</summary>
    public bool TryCount(int[] running, int most)
    {
        ref var count = ref running[(int)_class];
        if (Volatile.Read(ref count) >= most)
        {
            return false;
        }

        Interlocked.Increment(ref count);
        (_running, _isCounted) = (running, 1);
        return true;
    }

    /// <summary>The handler has ended or will not begin; before the answer, so that the caller's next call finds its place.</summary>
    public void Uncount()
    {
        if (Interlocked.Exchange(ref _isCounted, 0) != 0)
        {
            Interlocked.Decrement(ref _running![(int)_class]);
        }
    }

    /// <summary>Cancels the handler; outside of the channel's lock, because its callbacks run here.</summary>
    public void Run()
    {
        _isCancelled = true;
        _cancellation?.Cancel();
    }
}

/// <summary>Something to do once the channel's lock is free: a caller's continuation, a handler.</summary>
internal interface IDeferred
{
    void Run();
}
