using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// The supervisor's end of the calls that a worker carries (docs/SEAM.md). What comes back is from a process that a guest may have taken
/// over, and is read by <see cref="SeamInbox"/>. Pure: shared memory and time are given; its owner wakes the worker.
/// </summary>
public sealed class SeamPeer : ICallPeer
{
    /// <summary>Calls from here that are not over; the peer allows far fewer.</summary>
    internal const int MostOutgoing = 4096;

    private readonly IRpcHandler _handler;
    private readonly ISeamEvents _events;
    private readonly SeamOutput _output;
    private readonly SeamInbox _inbox;
    private readonly ReadWatch _watch;
    private readonly SeamCalls _calls;
    private readonly SeamWrites _writes;

    /// <summary>Makes the supervisor's end.</summary>
    /// <param name="bounds">What the worker may have this side keep.</param>
    /// <param name="toWorker">What this side writes, of <see cref="SeamBounds.RingBytes"/>.</param>
    /// <param name="fromWorker">What the worker writes, of as many.</param>
    /// <param name="handler">Handles calls.</param>
    /// <param name="events">Receives the events of the session, its links and its endpoint.</param>
    public SeamPeer(SeamBounds bounds, RingMemory toWorker, RingMemory fromWorker, IRpcHandler handler, ISeamEvents events)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        (_handler, _events) = (handler, events);
        _output = new SeamOutput(new RingWriter(toWorker));
        _watch = new ReadWatch(_output);
        _calls = new SeamCalls(bounds);
        _writes = new SeamWrites(_output, _calls, handler);
        _inbox = new SeamInbox(this, _calls, _writes, _output, bounds, new RingReader(fromWorker, bounds.Session.WipeMemory), handler, events);
    }

    /// <summary>When <see cref="Tick"/> must be called.</summary>
    public long NextDeadline => Math.Min(_calls.NextDeadline, _watch.Due);

    /// <summary>Records that have come from the worker.</summary>
    public long Received => _inbox.Received;

    /// <summary>Whether the worker has written something, or a lie.</summary>
    public bool HasWork => _inbox.HasWork;

    /// <summary>Takes what the worker has written, at most as much as one turn may.</summary>
    /// <param name="now">Time.</param>
    /// <returns>Whether there may be more.</returns>
    /// <exception cref="ChannelException">The worker broke the rules, and is to be ended (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public bool Receive(long now)
    {
        _output.Settle();
        _output.ThrowIfBroken();
        return _inbox.Receive(now);
    }

    /// <summary>Shows the worker what was written and read. True: it is to be woken.</summary>
    /// <param name="now">Time.</param>
    /// <exception cref="ChannelException">As of <see cref="Receive"/>.</exception>
    public bool Publish(long now)
    {
        _writes.SendWaiting();
        if (_output.HasUnpublished || _calls.IsUp)
        {
            _watch.Begin(now);
        }

        _output.ThrowIfBroken();
        var wakesReader = _output.Publish();
        return _inbox.Release() || wakesReader;
    }

    /// <summary>Says that this side sleeps until it is woken. False: there is more to take.</summary>
    /// <exception cref="ChannelException">As of <see cref="Receive"/>.</exception>
    public bool TrySleep() => _inbox.TrySleep();

    /// <summary>Fails calls whose deadline has passed without the worker's word.</summary>
    /// <param name="now">Time.</param>
    /// <param name="signs">A number that changes while the worker works, if there is one besides its records.</param>
    /// <exception cref="ChannelException">The worker has stopped to read, and is to be ended (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Tick(long now, long signs = 0)
    {
        while (_calls.TakeExpired(now) is { } call)
        {
            var mayHaveRun = GiveUp(call, ChannelError.DeadlineExceeded);
            Fail(call, new RpcStatus(ChannelError.DeadlineExceeded, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry,
                mayHaveRun ? "the deadline passed before an answer came" : "the deadline passed before the call could be sent"));
        }

        _output.ThrowIfBroken();
        _watch.Check(now, _calls.All.Count > 0, _calls.IsUp, _inbox.Received + signs);
    }

    /// <summary>A worker is there, the first one or another.</summary>
    public void Attach() => _watch.IsOn = true;

    /// <summary>
    /// The worker has ended, and all that it has written was taken: another one goes on with its state. Calls wait for that as for a link.
    /// </summary>
    public void Detach(ChannelError code, string text)
    {
        _watch.IsOn = false;
        if (_calls.IsUp)
        {
            _calls.IsUp = false;
            _events.OnLinkLost(code, text);
        }
    }

    /// <summary>The worker has ended, and its state is gone: fails all calls.</summary>
    public void FailAll(ChannelError code, string text)
    {
        foreach (var call in _calls.All.ToArray())
        {
            var errorClass = _calls.MayHaveRun(call) ? ErrorClass.MayHaveRun : ErrorClass.Retry;
            _calls.Remove(call);
            Fail(call, new RpcStatus(code, errorClass, text));
        }
    }

    /// <inheritdoc/>
    public RpcCall Begin(ReadOnlySpan<byte> method, StreamClass streamClass, bool isStream, long deadline, long now, object? state, long answerBy = 0)
    {
        if (_calls.Outgoing >= MostOutgoing)
        {
            throw new ChannelException(ChannelError.TooManyStreams, ErrorClass.Retry, $"{MostOutgoing} calls are under way, as many as may be");
        }

        return _calls.AddOutgoing(streamClass, method, isStream, state, deadline, answerBy);
    }

    /// <inheritdoc/>
    public bool WriteFrom(RpcCall rpcCall, ReadOnlyMemory<byte> message, DataFlags flags)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SeamCall)rpcCall;
        if (!call.CanWrite)
        {
            throw new InvalidOperationException("a write is pending on this call, or its direction has ended");
        }

        return _writes.Write(call, message, flags);
    }

    /// <inheritdoc/>
    public void Finish(RpcCall rpcCall, in RpcStatus status)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SeamCall)rpcCall;
        if (call.IsOver || call.OwnDone)
        {
            return;
        }

        if (!call.CanWrite)
        {
            // A message of the stream is still pending; its handler has given up waiting for it.
            Abort(call, status.Code == ChannelError.None ? ChannelError.StreamRefused : status.Code);
        }
        else if (status.Code == ChannelError.None)
        {
            WriteFrom(call, default, DataFlags.Fin);
        }
        else
        {
            call.OwnDone = true;
            _output.Tell(new SeamRecord { Kind = SeamKind.Finish, Call = call.Id, Code = (ushort)status.Code, Bits = (byte)status.Class }, status.Text);
            _calls.EndIfDone(call);
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

        var call = (SeamCall)rpcCall;
        if (!call.IsOver)
        {
            _calls.OnRead(call, message);
            _output.Tell(new SeamRecord { Kind = SeamKind.Consumed, Call = call.Id, First = message.Credit, Second = message.Frames });
            _calls.EndIfDone(call);
        }

        return true;
    }

    /// <inheritdoc/>
    public bool AwaitMessage(RpcCall rpcCall)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SeamCall)rpcCall;
        if (call.IsOver || call.PeerDone)
        {
            return false;
        }

        _output.Tell(new SeamRecord { Kind = SeamKind.Await, Call = call.Id });
        return true;
    }

    /// <inheritdoc/>
    public bool Abort(RpcCall rpcCall, ChannelError code)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var call = (SeamCall)rpcCall;
        if (call.IsOver)
        {
            return true;
        }

        var mayHaveRun = GiveUp(call, code);
        _calls.Recycle(call);
        return mayHaveRun;
    }

    /// <summary>What this side's heartbeats say from now on.</summary>
    public void SetState(Links.StateWord state, DateTimeOffset? until, ushort detail) =>
        _output.Tell(new SeamRecord { Kind = SeamKind.State, Bits = (byte)state, Code = detail, First = until?.ToUnixTimeMilliseconds() ?? 0 });

    /// <summary>Drops the present link.</summary>
    /// <param name="code">Why.</param>
    /// <param name="text">Why, for the guest's log.</param>
    public void Cut(ChannelError code, string text) => _output.Tell(new SeamRecord { Kind = SeamKind.Cut, Code = (ushort)code }, text);

    /// <summary>Ends the session for good.</summary>
    public void Close() => _output.Tell(new SeamRecord { Kind = SeamKind.Close });

    internal void Fail(SeamCall call, RpcStatus status)
    {
        call.Status = status;
        _handler.OnFailed(call);
        _calls.Recycle(call);
    }

    private bool GiveUp(SeamCall call, ChannelError code)
    {
        if (call.IsBegun)
        {
            _output.Tell(new SeamRecord { Kind = SeamKind.Abort, Call = call.Id, Code = (ushort)code });
        }

        var mayHaveRun = _calls.MayHaveRun(call);
        _calls.Remove(call);
        return mayHaveRun;
    }
}
