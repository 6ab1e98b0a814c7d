using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Seam;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A host whose calls are a supervisor's, and whose session is a worker's: the seam between them in virtual time.</summary>
internal sealed class WorkedCallPeer : CallPeer, ISeamControl, ISeamEvents
{
    private readonly SeamRelay _relay;
    private readonly SeamPeer _peer;
    private long _now;

    public WorkedCallPeer(SessionOptions options, int seed, int maxMessage)
        : base(PeerRole.Host, options, seed, maxMessage)
    {
        var bounds = new SeamBounds(options, maxMessage, 4 * maxMessage);
        var (down, up) = (new ArrayRing(bounds.RingBytes), new ArrayRing(bounds.RingBytes));
        _peer = new SeamPeer(bounds, down, up, this, this);
        _relay = new SeamRelay(down, up, this, options.WipeMemory, static () => { });
        Rpc = new RpcPeer(PeerRole.Host, options, maxMessage, 4 * maxMessage, _relay, _relay, Nonces.Next);
        _relay.Rpc = Rpc;
    }

    public override ICallPeer Calls => _peer;

    public override long NextDeadline => Math.Min(Rpc.NextDeadline, _peer.NextDeadline);

    public override bool Call(int attempt, int size, long deadline, long now, StreamClass streamClass = StreamClass.Rpc)
    {
        var isBegun = base.Call(attempt, size, deadline, now, streamClass);
        Pass(now);
        return isBegun;
    }

    public override int Receive(ReadOnlySpan<byte> untrustedBytes, long now)
    {
        var count = base.Receive(untrustedBytes, now);
        Pass(now);
        return count;
    }

    public override void Tick(long now)
    {
        base.Tick(now);
        _peer.Tick(now);
        Pass(now);
    }

    void ISeamControl.SetState(StateWord state, DateTimeOffset? until, ushort detail) => Session.SetHeartbeat(state, until, detail, _now);

    void ISeamControl.Cut(ChannelError code, string text) => throw new NotSupportedException();

    void ISeamControl.Close() => Session.Close(ChannelError.SessionClosed, "closed");

    void ISeamEvents.OnOpening()
    {
    }

    void ISeamEvents.OnLink()
    {
    }

    void ISeamEvents.OnSession(UInt128 sessionId, int version, ulong capabilities) => Assert.Equal(Session.SessionId, sessionId);

    void ISeamEvents.OnEndpointFailed(ChannelError code, string text) => throw new NotSupportedException();

    void ISeamEvents.OnFault(string text) => throw new NotSupportedException();

    /// <summary>Both processes run until both sleep.</summary>
    private void Pass(long now)
    {
        _now = now;
        do
        {
            _peer.Publish(now);
            _relay.Receive(now);
            _relay.Publish();
            while (_peer.Receive(now))
            {
            }

            _peer.Publish(now);
        }
        while (!_relay.TrySleep() || !_peer.TrySleep());
    }
}
