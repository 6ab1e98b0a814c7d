using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Seam;

/// <summary>The calls that a worker carries: by their numbers, with their deadlines, and what is kept of each.</summary>
/// <param name="bounds">What the worker may have this side keep.</param>
internal sealed class SeamCalls(SeamBounds bounds)
{
    /// <summary>The worker ends calls at their deadlines and says whether they may have run; one that does not is not waited for longer.</summary>
    private const long Grace = 500_000;

    /// <summary>Ids of calls from here; those of the guest's have the highest bit.</summary>
    private const uint LastOwnId = int.MaxValue;

    private readonly Dictionary<uint, SeamCall> _calls = [];
    private readonly Stack<SeamCall> _recycled = new();
    private readonly DeadlineWheel _deadlines = new();
    private uint _lastId;
    private int _incoming;
    private long _links;
    private bool _isUp;

    /// <summary>Those that are not over.</summary>
    public IReadOnlyCollection<SeamCall> All => _calls.Values;

    /// <summary>Those from here that are not over.</summary>
    public int Outgoing => _calls.Count - _incoming;

    /// <summary>When <see cref="TakeExpired"/> has one.</summary>
    public long NextDeadline => _deadlines.NextDeadline;

    /// <summary>Messages of all streams that were not read, with the cost of each.</summary>
    public long Unread { get; set; }

    /// <summary>Whether a link is up.</summary>
    public bool IsUp
    {
        get => _isUp;
        set
        {
            _links += value ? 1 : 0;
            _isUp = value;
        }
    }

    public SeamCall? Find(uint id) => _calls.GetValueOrDefault(id);

    /// <summary>A call from here begins.</summary>
    public SeamCall AddOutgoing(StreamClass streamClass, ReadOnlySpan<byte> method, bool isStream, object? state, long deadline, long answerBy)
    {
        var call = NewCall(isIncoming: false, isStream, state);
        do
        {
            _lastId = _lastId == LastOwnId ? 1 : _lastId + 1;
        }
        while (_calls.ContainsKey(_lastId));
        call.Start(_lastId, streamClass, method);
        call.AwaitsAnswer = answerBy != 0 && (deadline == 0 || answerBy < deadline);
        _calls.Add(call.Id, call);
        (call.FinalDeadline, call.AnswerBy) = (deadline, answerBy);
        Watch(call, call.AwaitsAnswer ? answerBy : deadline);
        return call;
    }

    /// <summary>The guest has begun a call. Null: it has as many as it may, or the number is in use, or one of this side's.</summary>
    public SeamCall? TryAddIncoming(uint id, StreamClass streamClass, ReadOnlySpan<byte> method, bool isStream, long deadline)
    {
        if (id <= LastOwnId || _incoming >= bounds.Incoming || _calls.ContainsKey(id))
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

    /// <summary>The worker was told of a call.</summary>
    public void OnBegun(SeamCall call) => (call.IsBegun, call.LinksAtBegin) = (true, _isUp ? -1 : _links);

    /// <summary>Not if the worker was not told of it, or had no link since.</summary>
    public bool MayHaveRun(SeamCall call) => call.IsBegun && (_isUp || call.LinksAtBegin != _links);

    /// <summary>The first message of a stream has come: from now on it has until its last deadline.</summary>
    public void OnAnswer(SeamCall call)
    {
        if (call.AwaitsAnswer)
        {
            call.AwaitsAnswer = false;
            _deadlines.Remove(call);
            Watch(call, call.FinalDeadline);
        }
    }

    /// <summary>Takes one out whose deadline has passed without the worker's word.</summary>
    public SeamCall? TakeExpired(long now) => _deadlines.TakeExpired(now) as SeamCall;

    /// <summary>A message of a stream was kept.</summary>
    public void Keep(SeamCall call, in RpcMessage message)
    {
        call.Received.Enqueue(message);
        call.Unread += CostOf(message);
        Unread += CostOf(message);
    }

    /// <summary>A message of a stream was read.</summary>
    public void OnRead(SeamCall call, in RpcMessage message)
    {
        call.Unread -= CostOf(message);
        Unread -= CostOf(message);
    }

    /// <summary>The call has left the worker: there is nothing more of it.</summary>
    public void Remove(SeamCall call)
    {
        _deadlines.Remove(call);
        _calls.Remove(call.Id);
        _incoming -= call.IsIncoming ? 1 : 0;
        // Its owner may read on what has come.
        Unread -= call.Unread;
        call.End();
    }

    public void Recycle(SeamCall call)
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
    public void EndIfDone(SeamCall call)
    {
        var peerIsDone = call.PeerDone || call.IsIncoming;
        if (call is { IsOver: false, OwnDone: true, HasPending: false, AwaitsTaken: false } && peerIsDone && !call.HasMessage)
        {
            Remove(call);
            Recycle(call);
        }
    }

    private static int CostOf(in RpcMessage message) => message.Length + SeamBounds.MessageCost;

    private void Watch(SeamCall call, long deadline)
    {
        if (deadline != 0)
        {
            _deadlines.Add(call, deadline + Grace);
        }
    }

    private SeamCall NewCall(bool isIncoming, bool isStream, object? state)
    {
        var call = _recycled.TryPop(out var recycled) ? recycled : new SeamCall(bounds.Session.WipeMemory);
        call.Reuse(isIncoming, isStream, state);
        return call;
    }
}
