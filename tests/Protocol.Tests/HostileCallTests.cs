using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Rpc;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Tests;

/// <summary>What a guest with handmade frames can do to its host's calls.</summary>
public class HostileCallTests
{
    private const uint HostRpc1 = 1 << 3 | 1 << 1 | 1;
    private const uint GuestRpc1 = 1 << 3 | 1 << 1;

    [Fact]
    public void A_guest_that_resets_a_call_without_a_reason_does_not_make_it_end_well()
    {
        var host = new CallPeer(PeerRole.Host);
        var guest = new RawGuest(host.Session);
        guest.Connect();
        Assert.True(host.Call(attempt: 1, size: 4, deadline: 0, guest.Now, StreamClass.Rpc));
        guest.ReadData();

        guest.Send(FrameType.Reset, HostRpc1, [0, 0]);

        Assert.Equal((ChannelError.Cancelled, ErrorClass.MayHaveRun), (host.Ended[1].Code, host.Ended[1].Class));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_call_that_was_not_taken_is_not_heard_of_again(bool takesTheRefusal)
    {
        var host = new RefusingHost();
        var guest = new RawGuest(host.Rpc.Session) { SessionCredit = FrameHeader.Size };
        guest.Connect();
        Span<byte> header = stackalloc byte[RpcHeader.FixedSize + RpcHeader.MaxMethod];
        guest.Send(FrameType.Open, GuestRpc1, header[..new RpcHeader(isStream: true, 0, "no.Such"u8).Write(header)]);
        Assert.Equal(1, host.Calls);
        // Why it is refused waits for credit.
        Assert.Empty(guest.ReadData());
        if (takesTheRefusal)
        {
            guest.SendLimit(0, 1 << 20);
            Assert.Single(guest.ReadData());
        }

        guest.Send(FrameType.Reset, GuestRpc1, [1, 0]);
        Assert.True(host.Rpc.Session.IsEstablished);
    }

    /// <summary>Takes no call, and expects to hear of none.</summary>
    private sealed class RefusingHost : IRpcHandler, ISessionEvents
    {
        public RefusingHost() => Rpc = new RpcPeer(PeerRole.Host, new SessionOptions(), 1 << 20, 2 << 20, this, this, new CallPeer.NonceSource(7).Next);

        public RpcPeer Rpc { get; }

        public int Calls { get; private set; }

        bool IRpcHandler.OnIncoming(RpcCall call, in RpcHeader untrustedHeader)
        {
            Calls++;
            return false;
        }

        void IRpcHandler.OnMessage(RpcCall call, ReadOnlySpan<byte> untrustedMessage) => Assert.Fail("a message");

        void IRpcHandler.OnReadable(RpcCall call) => Assert.Fail("something to read");

        void IRpcHandler.OnWritable(RpcCall call) => Assert.Fail("a write was taken");

        void IRpcHandler.OnFailed(RpcCall call) => Assert.Fail("a failure");

        void ISessionEvents.OnEstablished(bool resumed)
        {
        }

        void ISessionEvents.OnLinkLost(ChannelError error, string text) => Assert.Fail(text);

        void ISessionEvents.OnSessionLost(ChannelError error, string text) => Assert.Fail(text);

        void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
        {
        }
    }
}
