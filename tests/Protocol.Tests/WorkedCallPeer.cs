using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A host whose calls are a supervisor's, and whose session is a worker's.</summary>
internal sealed class WorkedCallPeer : CallPeer
{
    public WorkedCallPeer(SessionOptions options, int seed, int maxMessage)
        : base(PeerRole.Host, options, seed, maxMessage) => End = new WorkedEnd(options, maxMessage, Nonces.Next, this, this);

    public WorkedEnd End { get; }

    public override RpcPeer Rpc => End.Rpc;

    public override ICallPeer Calls => End.Peer;

    public override long NextDeadline => End.NextDeadline;

    public override bool Call(int attempt, int size, long deadline, long now, StreamClass streamClass = StreamClass.Rpc)
    {
        var isBegun = base.Call(attempt, size, deadline, now, streamClass);
        End.Pass(now);
        return isBegun;
    }

    public override int Receive(ReadOnlySpan<byte> untrustedBytes, long now) => End.Receive(untrustedBytes, now);

    public override void Tick(long now) => End.Tick(now);

    public override bool TrySend() => End.TrySend();
}
