using System.Reflection;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Seam;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>
/// The host's end of a wire, whose calls are a supervisor's and whose session is a worker's: the seam between them in virtual time. The worker
/// may end at any point between two of its effects, and another one goes on with what it has kept.
/// </summary>
internal sealed class WorkedEnd : IWireEnd, ISeamControl, ISeamEvents
{
    private const int Streams = 256;

    // Of any content, as a worker's memory is: one for all schedules of a thread.
    [ThreadStatic]
    private static byte[]? s_buffers;

    private readonly SessionOptions _options;
    private readonly int _maxMessage;
    private readonly SeamBounds _bounds;
    private readonly ArrayRing _down;
    private readonly ArrayRing _up;
    private readonly ArrayState _state;
    private readonly ISessionEvents _events;
    private readonly Func<UInt128> _nonces;
    private SeamRelay _relay;
    private long _now;
    private bool _isHonest = true;

    public WorkedEnd(SessionOptions options, int maxMessage, Func<UInt128> nonces, IRpcHandler handler, ISessionEvents events)
    {
        (_nonces, _events) = (nonces, events);
        (_options, _maxMessage, _bounds) = (options, maxMessage, new SeamBounds(options, maxMessage, 4 * maxMessage));
        (_down, _up) = (new ArrayRing(_bounds.RingBytes), new ArrayRing(_bounds.RingBytes));
        if (s_buffers is null || s_buffers.Length < _bounds.BufferBytes)
        {
            s_buffers = new byte[_bounds.BufferBytes];
        }

        _state = new ArrayState(RelayKeeper.SlotBytes(_bounds, Streams), s_buffers);
        Peer = new SeamPeer(_bounds, _down, _up, handler, this);
        _relay = NewWorker();
        Peer.Attach();
    }

    /// <summary>Asked at each point where a worker can end, whether it does.</summary>
    public Func<bool> Dies { get; set; } = static () => false;

    /// <summary>Workers that have ended.</summary>
    public int Deaths { get; private set; }

    /// <summary>The link went with its worker, and is to be cut.</summary>
    public bool HasLostLink { get; set; }

    /// <summary>The supervisor.</summary>
    public SeamPeer Peer { get; }

    /// <summary>The present worker's session.</summary>
    public RpcPeer Rpc { get; private set; } = null!;

    public Session Session => Rpc.Session;

    public long NextDeadline => Math.Min(Rpc.NextDeadline, Peer.NextDeadline);

    public int Receive(ReadOnlySpan<byte> untrustedBytes, long now)
    {
        var count = Rpc.Receive(untrustedBytes, now);
        Pass(now);
        return count;
    }

    public void Tick(long now)
    {
        Rpc.Tick(now);
        Peer.Tick(now);
        Pass(now);
    }

    public bool TrySend()
    {
        if (Dies())
        {
            Restart();
            return false;
        }

        _relay.Commit();
        if (Dies())
        {
            Restart();
            return false;
        }

        return true;
    }

    void ISeamControl.SetState(StateWord state, DateTimeOffset? until, ushort detail) => Session.SetHeartbeat(state, until, detail, _now);

    void ISeamControl.Cut(ChannelError code, string text) => throw new NotSupportedException();

    void ISeamControl.Close() => Session.Close(ChannelError.SessionClosed, "closed");

    void ISessionEvents.OnEstablished(bool resumed) => _events.OnEstablished(resumed);

    void ISessionEvents.OnLinkLost(ChannelError code, string text) => _events.OnLinkLost(code, text);

    void ISessionEvents.OnSessionLost(ChannelError code, string text) => _events.OnSessionLost(code, text);

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat) => _events.OnPeerHeartbeat(heartbeat);

    void ISeamEvents.OnOpening()
    {
    }

    void ISeamEvents.OnLink()
    {
    }

    void ISeamEvents.OnSession(UInt128 sessionId, int version, ulong capabilities) => Assert.True(Deaths > 0 || Session.SessionId == sessionId);

    void ISeamEvents.OnEndpointFailed(ChannelError code, string text) => throw new NotSupportedException();

    void ISeamEvents.OnFault(string text) => throw new NotSupportedException();

    /// <summary>Both processes run until both sleep.</summary>
    public void Pass(long now)
    {
        _now = now;
        do
        {
            Peer.Publish(now);
            _relay.Receive(now);
            if (Dies())
            {
                Restart();
            }

            _relay.Commit();
            if (_isHonest)
            {
                CheckKept();
            }

            if (Dies())
            {
                var inUse = ((RelayKeeper)_relay.Keeper).Arena.InUse;
                Restart();
                // The worker that has ended may have had a link's rest of a frame, and what the link was sending.
                Assert.InRange(inUse - ((RelayKeeper)_relay.Keeper).Arena.InUse, 0, 2);
            }

            _relay.Publish();
            if (Dies())
            {
                Restart();
            }

            while (Peer.Receive(now))
            {
            }

            Peer.Publish(now);
        }
        while (!_relay.TrySleep() || !Peer.TrySleep());
    }

    /// <summary>What was not told to have changed is as it was kept.</summary>
    private void CheckKept()
    {
        var keeper = (RelayKeeper)_relay.Keeper;
        foreach (var stream in Live())
        {
            Assert.True(stream.Slot >= 0 && keeper.Slots.Get(stream.Slot).SequenceEqual(keeper.Encode(stream)), $"stream {stream.Id} has changed");
        }

        IEnumerable<SessionStream> Live()
        {
            var streams = (Dictionary<uint, SessionStream>)typeof(Session).GetField("_streams", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(Session)!;
            var calls = (Dictionary<uint, RelayedCall>)typeof(SeamRelay).GetField("_calls", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(_relay)!;
            return streams.Values.Union(calls.Values.Select(static call => ((SessionCall)call.Call).Stream!));
        }
    }

    /// <summary>Changes what was kept, as a worker that was taken over could, and has another one go on with it.</summary>
    public void RestartTamperedWith(Random random)
    {
        // Where something was kept.
        var used = _state.Slots.LastIndexOfAnyExcept((byte)0) + 1;
        for (var i = random.Next(1, 6); i > 0; i--)
        {
            _state.Slots[random.Next(used)] = (byte)(random.Next(2) == 0 ? random.Next(256) : 0xFF * random.Next(2));
        }

        _isHonest = false;
        Restart();
    }

    private void Restart()
    {
        if (_state.Committed == 0)
        {
            // It has done nothing yet.
            return;
        }

        Deaths++;
        HasLostLink = true;
        while (Peer.Receive(_now))
        {
        }

        Peer.Detach(ChannelError.WorkerFailed, "ended");
        _relay = NewWorker();
        _relay.Resume(_now);
        Peer.Attach();
    }

    private SeamRelay NewWorker()
    {
        var relay = new SeamRelay(_down, _up, _state, _bounds, this, static () => { });
        relay.Rpc = Rpc = new RpcPeer(PeerRole.Host, _options, _maxMessage, 4 * _maxMessage, relay, relay, _nonces, relay.Keeper);
        return relay;
    }
}
