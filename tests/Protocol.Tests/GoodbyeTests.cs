using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>The reason for the end of a session or link reaches the peer, also in the middle of a send.</summary>
public class GoodbyeTests
{
    private const int MessageSize = 200;
    private const int BatchSize = 2 * (FrameHeader.Size + MessageSize);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_end_of_a_session_at_any_byte_of_a_frame_is_read_behind_that_frame(bool isSending)
    {
        for (var sent = 0; sent <= BatchSize; sent++)
        {
            var wire = NewWireInTheMiddleOfABatch(out var output);
            wire.ToGuest.Inject(output.Span[..sent]);
            if (isSending)
            {
                wire.Host.Session.Close(ChannelError.SessionClosed, "test");
                wire.Host.Session.AdvanceOutput(sent);
            }
            else
            {
                wire.Host.Session.AdvanceOutput(sent);
                wire.Host.Session.Close(ChannelError.SessionClosed, "test");
            }

            MoveAll(wire);
            Assert.True(wire.Guest.Session.Fault?.Code == ChannelError.SessionClosed, $"after {sent} bytes: {wire.Guest.Session.Fault}");
            Assert.Equal("session lost: SessionClosed", wire.Guest.Events[^1]);
        }
    }

    [Fact]
    public void The_end_of_a_link_within_a_frame_is_read_behind_that_frame()
    {
        var wire = NewWireInTheMiddleOfABatch(out var output);
        wire.ToGuest.Inject(output.Span[..100]);
        wire.Host.Session.AdvanceOutput(100);
        wire.Now += (long)new SessionOptions().LivenessTimeout.TotalMicroseconds * 2;
        wire.Host.Session.Tick(wire.Now);
        MoveAll(wire);
        Assert.Equal(ChannelError.PeerSilent, wire.Guest.Session.Fault?.Code);
        Assert.Equal(0, wire.Guest.Lost);
    }

    [Fact]
    public void A_frame_that_its_link_did_not_end_is_not_ended_on_the_next()
    {
        var wire = NewWireInTheMiddleOfABatch(out _);
        wire.Host.Session.AdvanceOutput(100);
        wire.Guest.Session.Close(ChannelError.SessionClosed, "test");
        wire.Host.Session.LinkDown(ChannelError.LinkLost, "test", wire.Now);
        wire.Host.Session.Close(ChannelError.SessionClosed, "test");
        wire.Host.Session.LinkUp(wire.Now);
        Assert.True(wire.Host.Session.GetOutput(wire.Now).Span.StartsWith(Hello.Marker));
    }

    private static void MoveAll(Wire wire)
    {
        while (wire.Step())
        {
        }
    }

    /// <summary>The host was given a batch of two frames to send, and has not said yet how much of it was sent.</summary>
    private static Wire NewWireInTheMiddleOfABatch(out ReadOnlyMemory<byte> output)
    {
        var wire = new Wire(new Peer(PeerRole.Guest), new Peer(PeerRole.Host));
        wire.Connect();
        wire.Run();
        var stream = wire.Host.Open("s");
        wire.Run();
        wire.Host.Session.Write(stream, Peer.Number(1, MessageSize), DataFlags.None);
        wire.Host.Session.Write(stream, Peer.Number(2, MessageSize), DataFlags.None);
        output = wire.Host.Session.GetOutput(wire.Now);
        Assert.Equal(BatchSize, output.Length);
        return wire;
    }
}
