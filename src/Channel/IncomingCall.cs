using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Transports.Abstractions;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>An incoming call and its answer. <see cref="_version"/> tells whether the pooled call object is still this one's.</summary>
internal sealed class IncomingCall(ChannelCore core, RpcCall call, MethodHandler handler, long? deadline) : CallContext, IDeferred
{
    private readonly int _version = call.Version;
    private readonly StreamClass _class = call.StreamClass;
    private CancellationTokenSource? _cancellation;
    private volatile bool _isCancelled;
    private int[]? _running;
    private int _isCounted;

    public MethodHandler Handler { get; } = handler;

    public ChannelStream? Stream { get; set; }

    public override PeerIdentity Peer { get; } = core.Status.Peer ?? default;

    public override string Method => Handler.Name;

    public override TimeSpan? TimeLeft => deadline is { } at ? TimeSpan.FromMicroseconds(Math.Max(0, at - core.Now)) : null;

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

    /// <summary>Whether the call has ended: its caller does not wait for an answer.</summary>
    public bool IsOver
    {
        get
        {
            lock (core.Gate)
            {
                return call.Version != _version || call.IsOver;
            }
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

    /// <summary>Answers a unary call.</summary>
    public void Reply(IMessage reply)
    {
        Uncount();
        var size = reply.CalculateSize();
        if (size > core.Options.MaxMessage)
        {
            Finish(new RpcStatus(ChannelError.MessageTooLarge, ErrorClass.MayHaveRun, $"the reply has {size} bytes, allowed are {core.Options.MaxMessage}"));
            return;
        }

        lock (core.Gate)
        {
            if (call.Version == _version && !call.IsOver && call.CanWrite)
            {
                reply.WriteTo(call.RentWriteBuffer(size));
                core.Calls.Write(call, size, DataFlags.Fin);
            }
        }

        core.Engine.Flush();
    }

    /// <summary>Ends the call with a status.</summary>
    public void Finish(RpcStatus status)
    {
        Uncount();
        lock (core.Gate)
        {
            if (call.Version == _version)
            {
                core.Calls.Finish(call, status);
            }

            Stream?.DropUnread();
        }

        core.Callbacks.Run();
        core.Engine.Flush();
    }

    /// <summary>It was given up before its handler began.</summary>
    public void GiveUp()
    {
        Uncount();
        lock (core.Gate)
        {
            Stream?.DropUnread();
        }

        core.Engine.Flush();
    }

    /// <summary>Cancels the handler; outside of the channel's lock, because its callbacks run here.</summary>
    public void Run()
    {
        _isCancelled = true;
        _cancellation?.Cancel();
    }

    /// <summary>The handler has ended or will not begin; before the answer, so that the caller's next call finds its place.</summary>
    private void Uncount()
    {
        if (Interlocked.Exchange(ref _isCounted, 0) != 0)
        {
            Interlocked.Decrement(ref _running![(int)_class]);
        }
    }
}
