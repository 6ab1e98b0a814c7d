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
    /// <summary>The worker ends calls at their deadlines and says whether they may have run; one that does not is not waited for longer.</summary>
    private const long Grace = 500_000;

    /// <summary>Bytes of a stream that a write need not wait for: the next ones are on their way while the worker has these.</summary>
    private const int Pipelined = 256 << 10;

    /// <summary>Calls from here that are not over; the peer allows far fewer.</summary>
    private const int MostOutgoing = 4096;

    /// <summary>Ids of calls from here; those of the guest's have the highest bit.</summary>
    private const uint LastOwnId = int.MaxValue;

    private readonly IRpcHandler _handler;
    private readonly SeamOutput _output;
    private readonly SeamInbox _inbox;
    private readonly ReadWatch _watch;
    private readonly Dictionary<uint, SeamCall> _calls = [];
    private readonly Queue<(SeamCall Call, int Version)> _waiting = new();
    private readonly Stack<SeamCall> _recycled = new();
    private readonly DeadlineWheel _deadlines = new();
    private readonly bool _wipes;
    private uint _lastId;
    private int _incoming;
    private long _links;
    private bool _isUp;

    /// <summary>Makes the supervisor's end.</summary>
    /// <param name="bounds">What the worker may have this side keep.</param>
    /// <param name="toWorker">What this side writes, of <see cref="SeamBounds.RingBytes"/>.</param>
    /// <param name="fromWorker">What the worker writes, of as many.</param>
    /// <param name="handler">Handles calls.</param>
    /// <param name="events">Receives the events of the session, its links and its endpoint.</param>
    public SeamPeer(SeamBounds bounds, RingMemory toWorker, RingMemory fromWorker, IRpcHandler handler, ISeamEvents events)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        (Bounds, _handler, _wipes) = (bounds, handler, bounds.Session.WipeMemory);
        _output = new SeamOutput(new RingWriter(toWorker));
        _watch = new ReadWatch(_output);
        _inbox = new SeamInbox(this, new RingReader(fromWorker), handler, events);
    }

    /// <summary>When <see cref="Tick"/> must be called.</summary>
    public long NextDeadline => Math.Min(_deadlines.NextDeadline, _watch.Due);

    internal SeamBounds Bounds { get; }

    /// <summary>Messages of all streams that were not read, with the cost of each.</summary>
    internal long Unread { get; set; }

    /// <summary>Whether a link is up.</summary>
    internal bool IsUp
    {
        set
        {
            _links += value ? 1 : 0;
            _isUp = value;
        }
    }

    /// <summary>Whether the worker has written something, or a lie.</summary>
    public bool HasWork => _inbox.HasWork;

    /// <summary>Takes what the worker has written, at most as much as one turn may.</summary>
    /// <param name="now">Time.</param>
    /// <returns>Whether there may be more.</returns>
    /// <exception cref="ChannelException">The worker broke the rules, and is to be ended (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public bool Receive(long now) => _inbox.Receive(now);

    /// <summary>Shows the worker what was written and read. True: it is to be woken.</summary>
    /// <param name="now">Time.</param>
    /// <exception cref="ChannelException">As of <see cref="Receive"/>.</exception>
    public bool Publish(long now)
    {
        SendWaiting();
        if (_output.HasUnpublished || _isUp)
        {
            _watch.Begin(now);
        }

        var wakesReader = _output.Publish();
        return _inbox.Release() || wakesReader;
    }

    /// <summary>Says that this side sleeps until it is woken. False: there is more to take.</summary>
    /// <exception cref="ChannelException">As of <see cref="Receive"/>.</exception>
    public bool TrySleep() => _inbox.TrySleep();

    /// <summary>Fails calls whose deadline has passed without the worker's word.</summary>
    /// <exception cref="ChannelException">The worker has stopped to read, and is to be ended (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Tick(long now)
    {
        while (_deadlines.TakeExpired(now) is SeamCall call)
        {
            var mayHaveRun = GiveUp(call, ChannelError.DeadlineExceeded);
            Fail(call, new RpcStatus(ChannelError.DeadlineExceeded, mayHaveRun ? ErrorClass.MayHaveRun : ErrorClass.Retry,
                mayHaveRun ? "the deadline passed before an answer came" : "the deadline passed before the call could be sent"));
        }

        _watch.Check(now, _calls.Count > 0, _isUp, _inbox.Received);
    }

    /// <summary>The worker has ended: fails all calls.</summary>
    public void FailAll(ChannelError code, string text)
    {
        foreach (var call in _calls.Values.ToArray())
        {
            var errorClass = MayHaveRun(call) ? ErrorClass.MayHaveRun : ErrorClass.Retry;
            Remove(call);
            Fail(call, new RpcStatus(code, errorClass, text));
        }
    }

    /// <inheritdoc/>
    public RpcCall Begin(ReadOnlySpan<byte> method, StreamClass streamClass, bool isStream, long deadline, long now, object? state, long answerBy = 0)
    {
        if (_calls.Count - _incoming >= MostOutgoing)
        {
            throw new ChannelException(ChannelError.TooManyStreams, ErrorClass.Retry, $"{MostOutgoing} calls are under way, as many as may be");
        }

        var call = NewCall(isIncoming: false, isStream, state);
        do
        {
            _lastId = _lastId == LastOwnId ? 1 : _lastId + 1;
        }
        while (_calls.ContainsKey(_lastId));
        call.Start(_lastId, streamClass, method);
        call.FinalDeadline = deadline;
        call.AwaitsAnswer = answerBy != 0 && (deadline == 0 || answerBy < deadline);
        _calls.Add(call.Id, call);
        (call.SessionDeadline, call.AnswerBy) = (deadline, answerBy);
        Watch(call, call.AwaitsAnswer ? answerBy : deadline);
        return call;
    }

    /// <inheritdoc/>
    public bool Write(RpcCall rpcCall, int length, DataFlags flags)
    {
        ArgumentNullException.ThrowIfNull(rpcCall);
        var taken = WriteFrom(rpcCall, rpcCall.WriteBuffer.AsMemory(0, length), flags);
        if (taken)
        {
            rpcCall.ReturnWriteBuffer();
        }

        return taken;
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

        call.OwnDone |= (flags & DataFlags.Fin) != 0;
        (call.Pending, call.PendingFlags, call.HasPending) = (message, flags, true);
        if (_waiting.Count > 0 || !TrySendPending(call))
        {
            _waiting.Enqueue((call, call.Version));
            return false;
        }

        var taken = !call.AwaitsTaken;
        EndIfDone(call);
        return taken;
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
            EndIfDone(call);
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
            call.Unread -= message.Credit;
            Unread -= message.Credit;
            _output.Tell(new SeamRecord { Kind = SeamKind.Consumed, Call = call.Id });
            EndIfDone(call);
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
        Recycle(call);
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

    internal SeamCall? Find(uint id) => _calls.GetValueOrDefault(id);

    /// <summary>The guest has begun a call. Null: it has as many as it may, or the number is in use, or one of this side's.</summary>
    internal SeamCall? TryAddIncoming(uint id, StreamClass streamClass, ReadOnlySpan<byte> method, bool isStream, long deadline)
    {
        if (id <= LastOwnId || _incoming >= Bounds.Incoming || _calls.ContainsKey(id))
        {
            return null;
        }

        var call = NewCall(isIncoming: true, isStream, null);
        call.Start(id, streamClass, method);
        call.IsBegun = true;
        _calls.Add(id, call);
        _incoming++;
        Watch(call, deadline);
        return call;
    }

    /// <summary>The first message of a stream has come: from now on it has until its last deadline.</summary>
    internal void OnAnswer(SeamCall call)
    {
        if (call.AwaitsAnswer)
        {
            call.AwaitsAnswer = false;
            _deadlines.Remove(call);
            Watch(call, call.SessionDeadline);
        }
    }

    /// <summary>The session took so many bytes of the call's messages. False: it had not so many.</summary>
    internal bool TryTake(SeamCall call, int bytes)
    {
        if ((uint)bytes > (uint)call.Outstanding)
        {
            return false;
        }

        call.Outstanding -= bytes;
        if (call.AwaitsTaken && call.Outstanding <= call.TakenAt)
        {
            call.AwaitsTaken = false;
            call.ReturnWriteBuffer();
            _handler.OnWritable(call);
            EndIfDone(call);
        }

        return true;
    }

    /// <summary>The call has left the worker: there is nothing more of it.</summary>
    internal void Remove(SeamCall call)
    {
        _deadlines.Remove(call);
        _calls.Remove(call.Id);
        _incoming -= call.IsIncoming ? 1 : 0;
        // Its owner may read on what has come.
        Unread -= call.Unread;
        call.End();
    }

    internal void Fail(SeamCall call, RpcStatus status)
    {
        call.Status = status;
        _handler.OnFailed(call);
        Recycle(call);
    }

    internal void Recycle(SeamCall call)
    {
        call.Version++;
        if (call.IsStream)
        {
            // As above.
            return;
        }

        call.Release();
        call.State = null;
        if (_recycled.Count < 64)
        {
            _recycled.Push(call);
        }
    }

    /// <summary>Ends a call that is done in both directions, as far as this side waits for them.</summary>
    internal void EndIfDone(SeamCall call)
    {
        var peerIsDone = call.PeerDone || call.IsIncoming;
        if (call is { IsOver: false, OwnDone: true, HasPending: false, AwaitsTaken: false } && peerIsDone && !call.HasMessage)
        {
            Remove(call);
            Recycle(call);
        }
    }

    private bool GiveUp(SeamCall call, ChannelError code)
    {
        if (call.IsBegun)
        {
            _output.Tell(new SeamRecord { Kind = SeamKind.Abort, Call = call.Id, Code = (ushort)code });
        }

        var mayHaveRun = MayHaveRun(call);
        Remove(call);
        return mayHaveRun;
    }

    /// <summary>Not if the worker was not told of it, or had no link since.</summary>
    private bool MayHaveRun(SeamCall call) => call.IsBegun && (_isUp || call.LinksAtBegin != _links);

    /// <summary>The call's write is shown to the worker. False: there is no room.</summary>
    private bool TrySendPending(SeamCall call)
    {
        var message = call.Pending.Span;
        var record = new SeamRecord { Kind = SeamKind.Message, Call = call.Id, Bits = (byte)((call.PendingFlags & DataFlags.Fin) != 0 ? SeamFlags.Fin : SeamFlags.None) };
        ReadOnlySpan<byte> name = default;
        var isRequest = !call.IsBegun;
        if (isRequest)
        {
            name = call.Method;
            record.Kind = SeamKind.Begin;
            record.Extra = name.Length;
            record.Bits |= (byte)((byte)call.StreamClass | (byte)(call.IsStream ? SeamFlags.IsStream : SeamFlags.None));
            (record.First, record.Second) = (call.SessionDeadline, call.AnswerBy);
        }

        if (!_output.TrySend(record, name, message))
        {
            return false;
        }

        if (isRequest)
        {
            (call.IsBegun, call.LinksAtBegin) = (true, _isUp ? -1 : _links);
        }

        (call.HasPending, call.Pending) = (false, default);
        if (call.IsStream)
        {
            call.Outstanding += message.Length;
            // The request of a stream is taken when the session has it; what follows, before.
            call.TakenAt = isRequest ? 0 : Pipelined;
            call.AwaitsTaken = isRequest || call.Outstanding > Pipelined;
        }

        return true;
    }

    private void SendWaiting()
    {
        if (!_output.Settle())
        {
            return;
        }

        while (_waiting.TryPeek(out var next))
        {
            var (call, version) = next;
            if (call.Version == version && call.HasPending)
            {
                if (!TrySendPending(call))
                {
                    return;
                }

                if (!call.AwaitsTaken)
                {
                    call.ReturnWriteBuffer();
                    _handler.OnWritable(call);
                    EndIfDone(call);
                }
            }

            _waiting.Dequeue();
        }
    }

    private void Watch(SeamCall call, long deadline)
    {
        if (deadline != 0)
        {
            _deadlines.Add(call, deadline + Grace);
        }
    }

    private SeamCall NewCall(bool isIncoming, bool isStream, object? state)
    {
        var call = _recycled.TryPop(out var recycled) ? recycled : new SeamCall(_wipes);
        call.Reuse(isIncoming, isStream, state);
        return call;
    }
}
