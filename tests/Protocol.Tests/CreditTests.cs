using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Tests;

/// <summary>Every credit that a receiver may give carries messages of every size.</summary>
public class CreditTests
{
    [Theory]
    [InlineData(25, 1 << 20)]
    [InlineData(26, 1 << 20)]
    [InlineData(1023, 1 << 20)]
    [InlineData(1024, 1 << 20)]
    [InlineData(1047, 1 << 20)]
    [InlineData(1048, 1 << 20)]
    [InlineData(1 << 16, 25)]
    [InlineData(1 << 16, 1047)]
    [InlineData(0, 0)]
    public void A_message_passes_with_credit_in_pieces_of_any_size(int streamCredit, int sessionCredit)
    {
        const int length = 5000;
        var host = new Peer(PeerRole.Host, seed: 2);
        var guest = new RawGuest(host.Session) { StreamCredit = streamCredit, SessionCredit = sessionCredit };
        guest.Connect();
        var stream = host.Open("x");
        host.Session.Write(stream, new byte[length], DataFlags.Fin);
        long cost = 0;
        var received = 0;
        for (var turn = 0; turn < 2 * length && received < length; turn++)
        {
            foreach (var size in guest.ReadData())
            {
                received += size;
                cost += FrameHeader.Size + size;
            }

            // A receiver that gives all of its window again, and only once the sender can do nothing with the rest.
            guest.SendLimit(stream.Id, cost + Math.Max(25, streamCredit));
            guest.SendLimit(0, cost + Math.Max(25, sessionCredit));
            guest.Now += 1000;
            Assert.Null(host.Session.Fault);
        }

        Assert.Equal(length, received);
    }

    [Fact]
    public void A_stream_that_waits_for_credit_of_the_session_goes_on_when_a_resume_brings_it()
    {
        const int limit = 2000;
        var host = new Peer(PeerRole.Host, seed: 2);
        var guest = new RawGuest(host.Session) { SessionCredit = limit };
        guest.Connect();
        host.Session.Write(host.Open("takes all"), new byte[limit - FrameHeader.Size], DataFlags.Fin);
        host.Session.Write(host.Open("waits"), new byte[700], DataFlags.Fin);
        Assert.Equal([limit - FrameHeader.Size], guest.ReadData());
        // The CREDIT frame of it was lost with the link.
        guest.SessionCredit = 2 * limit;
        guest.Connect();
        Assert.Contains(700, guest.ReadData());
    }
}
