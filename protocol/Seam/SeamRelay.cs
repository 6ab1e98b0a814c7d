using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Seam;

/// <summary>
/// The worker's end: carries calls between a supervisor and the session with a guest (docs/SEAM.md). Whole messages cross, each in one record.
/// Pure: shared memory and time are given; its owner wakes the supervisor. This is what the session says; <see cref="RelayOrders"/> is
/// what the supervisor says.
/// </summary>
public sealed class SeamRelay : IRpcHandler, ISessionEvents
{
    private const uint FirstGuestId = 1u << 31;

    private readonly Dictionary<uint, RelayedCall> _calls = [];
    private readonly RelayKeeper _keeper;
    private readonly RelayOutput _output;
    private readonly RelayOrders _orders;
    private readonly RingReader _reader;
    private uint _lastId = FirstGuestId;
    /// <summary>The supervisor was told that a link is up, and not that it has gone.</summary>
    private bool _isUpTold;

    /// <summary>Makes the worker's end.</summary>
    /// <param name="fromSupervisor">What the supervisor writes, of <see cref="SeamBounds.RingBytes"/>.</param>
    /// <param name="toSupervisor">What this side writes, of as many.</param>
    /// <param name="state">Where this side's state is kept, of <see cref="SeamBounds.SlotBytes"/> and <see cref="SeamBounds.BufferBytes"/>.</param>
    /// <param name="bounds">Bounds of the channel, as the supervisor's.</param>
    /// <param name="control">Is told what does not concern a call.</param>
    /// <param name="written">Called when something was written, for <see cref="Publish"/>.</param>
    public SeamRelay(RingMemory fromSupervisor, RingMemory toSupervisor, StateMemory state, SeamBounds bounds, ISeamControl control, Action written)
    {
        ArgumentNullException.ThrowIfNull(bounds);
        Wipes = bounds.Session.WipeMemory;
        _keeper = new RelayKeeper(state, bounds);
        _output = new RelayOutput(new RingWriter(toSupervisor), _keeper.Arena, Wipes, written);
        _reader = new RingReader(fromSupervisor, Wipes);
        _orders = new RelayOrders(this, control);
    }

    /// <summary>What keeps the session's state, for <see cref="Rpc"/>.</summary>
    public SessionKeeper Keeper => _keeper;

    /// <summary>The session's calls; set once, before anything else.</summary>
    public RpcPeer Rpc { get; set; } = null!;

    /// <summary>Messages of the guest wait for room: no more of its bytes are to be received.</summary>
    public bool IsCongested => _output.IsCongested;

    /// <summary>Whether the supervisor has written something.</summary>
    public bool HasWork => _reader.HasRecords;

    /// <summary>Takes what the supervisor has written.</summary>
    /// <param name="now">Time.</param>
    /// <exception cref="ChannelException">It is not what a supervisor writes (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Receive(long now)
    {
        while (_reader.TryPeek(out var record))
        {
            _orders.Obey(record, _reader.UntrustedData, now);
            _reader.Advance();
        }
    }

    /// <summary>Goes on with what another worker has left in the same memory, before anything else is done.</summary>
    /// <param name="now">Time.</param>
    /// <exception cref="ChannelException">It has left nothing that can be gone on with (<see cref="ChannelError.WorkerFailed"/>).</exception>
    public void Resume(long now)
    {
        _keeper.Resume(this, now);
        if (_isUpTold)
        {
            ((ISessionEvents)this).OnLinkLost(ChannelError.WorkerFailed, "the worker has ended, and another one goes on");
        }
    }

    /// <summary>What has changed is kept: a worker that ends is followed by one that goes on from here. Before anything is sent to the guest.</summary>
    public void Commit() => _keeper.Commit(this);

    /// <summary>Shows the supervisor what was written and read. True: it is to be woken.</summary>
    public bool Publish()
    {
        _output.Settle();
        Commit();
        var wakesReader = _output.Publish();
        return _reader.Release() || wakesReader;
    }

    /// <summary>Says that this side sleeps until it is woken. False: there is more to take.</summary>
    public bool TrySleep() => _reader.TrySleep();

    /// <summary>The endpoint is asked for the next link.</summary>
    public void OnOpening() => _output.Send(new SeamRecord { Kind = SeamKind.Opening });

    /// <summary>A link is there; its handshake begins.</summary>
    public void OnLink() => _output.Send(new SeamRecord { Kind = SeamKind.Link });

    /// <summary>The endpoint cannot be opened.</summary>
    public void OnEndpointFailed(ChannelError code, string text) => _output.Tell(new SeamRecord { Kind = SeamKind.EndpointFailed, Code = (ushort)code }, text);

    /// <summary>Something threw that must not.</summary>
    public void OnFault(string text) => _output.Tell(new SeamRecord { Kind = SeamKind.Fault }, text);

    void ISessionEvents.OnEstablished(bool resumed)
    {
        _isUpTold = true;
        _output.Send(new SeamRecord
        {
            Kind = SeamKind.Established,
            Id = Rpc.Session.SessionId,
            Extra = Rpc.Session.Version,
            First = (long)Rpc.Session.Capabilities,
            Bits = (byte)(resumed ? SeamFlags.IsResumed : SeamFlags.None),
        });
    }

    void ISessionEvents.OnLinkLost(ChannelError code, string text)
    {
        _isUpTold = false;
        _output.Tell(new SeamRecord { Kind = SeamKind.LinkLost, Code = (ushort)code }, text);
    }

    void ISessionEvents.OnSessionLost(ChannelError code, string text) => _output.Tell(new SeamRecord { Kind = SeamKind.SessionLost, Code = (ushort)code }, text);

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat) => _output.Send(new SeamRecord
    {
        Kind = SeamKind.Heartbeat,
        Bits = (byte)heartbeat.State,
        Code = heartbeat.Detail,
        First = heartbeat.Until?.ToUnixTimeMilliseconds() ?? 0,
        Second = heartbeat.RoundTrip is { } time ? (long)time.TotalMicroseconds : -1,
    });

    bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
    {
        do
        {
            _lastId = _lastId == uint.MaxValue ? FirstGuestId : _lastId + 1;
        }
        while (_calls.ContainsKey(_lastId));
        Add(new RelayedCall(_lastId, _keeper.Arena) { Call = call, IsStream = call.IsStream, Method = untrustedHeader.Method.ToArray(), DeadlineMs = untrustedHeader.DeadlineMs });
        return true;
    }

    void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage)
    {
        var relayed = (RelayedCall)call.State!;
        if (!call.IsIncoming)
        {
            Remove(relayed);
            _output.Send(new SeamRecord { Kind = SeamKind.Message, Call = relayed.Id, Bits = (byte)SeamFlags.Fin }, default, untrustedMessage);
            return;
        }

        var record = new SeamRecord
        {
            Kind = SeamKind.Incoming,
            Call = relayed.Id,
            First = relayed.DeadlineMs,
            Extra = relayed.Method.Length,
            Bits = (byte)((byte)call.StreamClass | (byte)(call.IsStream ? SeamFlags.IsStream : SeamFlags.None)),
        };
        _output.Send(record, relayed.Method, untrustedMessage);
        relayed.Method = [];
    }

    bool IRpcHandler.OnStreamMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage, int credit, int frames)
    {
        var relayed = (RelayedCall)call.State!;
        relayed.IsEndTold = call.PeerDone;
        var record = new SeamRecord
        {
            Kind = SeamKind.Message,
            Call = relayed.Id,
            First = credit,
            Second = frames,
            Bits = (byte)(relayed.IsEndTold ? SeamFlags.Fin : SeamFlags.None),
        };
        _output.Send(record, default, untrustedMessage);
        return true;
    }

    void IRpcHandler.OnReadable(RpcCall call)
    {
        var relayed = (RelayedCall)call.State!;
        if (call.PeerDone && !relayed.IsEndTold)
        {
            relayed.IsEndTold = true;
            _output.Send(new SeamRecord { Kind = SeamKind.Ended, Call = relayed.Id });
        }
    }

    void IRpcHandler.OnWritable(RpcCall call)
    {
        var relayed = (RelayedCall)call.State!;
        OnTaken(relayed);
        _orders.WriteOn(relayed);
    }

    void IRpcHandler.OnFailed(RpcCall call)
    {
        var relayed = (RelayedCall)call.State!;
        Remove(relayed);
        Fail(relayed.Id, call.Status!.Value);
    }

    void IRpcHandler.OnEnded(RpcCall call) => Remove((RelayedCall)call.State!);

    /// <summary>Whether memory that messages went through is overwritten.</summary>
    internal bool Wipes { get; }

    /// <summary>Where memory comes from that outlives this process.</summary>
    internal ArenaPool Arena => _keeper.Arena;

    internal void Save(ref StateWriter state)
    {
        state.UInt32(_lastId);
        state.Flag(_isUpTold);
        state.UInt64(_reader.Position);
        _output.Save(ref state);
    }

    internal void Load(ref StateReader state)
    {
        (_lastId, _isUpTold) = (state.UInt32() | FirstGuestId, state.Flag());
        _reader.Resume(state.UInt64());
        _output.Load(ref state);
    }

    /// <summary>Takes up a call of another worker's.</summary>
    internal void Load(SessionCall call, ref StateReader state)
    {
        var relayed = RelayedCall.Load(ref state, Arena);
        StateReader.Require(call.IsIncoming == relayed.Id >= FirstGuestId && Find(relayed.Id) is null, "a call's number that is not one, or is there twice");
        (relayed.Call, relayed.IsStream) = (call, call.IsStream);
        Add(relayed);
    }

    /// <summary>Something of a call is about to change.</summary>
    internal void OnChanged(RelayedCall relayed)
    {
        if (relayed.Call is SessionCall { Stream: { } stream })
        {
            _keeper.OnChanged(stream);
        }
    }

    internal RelayedCall? Find(uint id) => _calls.GetValueOrDefault(id);

    internal void Add(RelayedCall relayed)
    {
        _calls.Add(relayed.Id, relayed);
        relayed.Call.State = relayed;
    }

    internal void Remove(RelayedCall relayed)
    {
        _calls.Remove(relayed.Id);
        relayed.Release(Wipes);
    }

    internal void Fail(uint id, in RpcStatus status) =>
        _output.Tell(new SeamRecord { Kind = SeamKind.Failed, Call = id, Code = (ushort)status.Code, Bits = (byte)status.Class }, status.Text);

    /// <summary>The session has taken a write.</summary>
    internal void OnTaken(RelayedCall relayed)
    {
        if (relayed.IsStream)
        {
            _output.Send(new SeamRecord { Kind = SeamKind.Taken, Call = relayed.Id, Extra = relayed.Writing });
        }
    }
}
