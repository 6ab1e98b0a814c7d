using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

public sealed class VsockCreditTests
{
    [Fact]
    public void Counters_go_on_over_their_wrap()
    {
        var credit = new VsockCredit(1000);
        Assert.True(credit.Update(1 << 30, 0));
        for (uint sent = 0, rounds = 0; rounds < 9; rounds++)
        {
            credit.Send(1 << 30);
            sent += 1 << 30;
            Assert.Equal(0u, credit.Available);
            Assert.True(credit.Update(1 << 30, sent));
            Assert.Equal(1u << 30, credit.Available);
        }
    }

    [Fact]
    public void A_count_beyond_what_was_sent_is_no_count()
    {
        var credit = new VsockCredit(1000);
        Assert.True(credit.Update(500, 0));
        credit.Send(100);
        Assert.False(credit.Update(500, 101));
        Assert.True(credit.Update(500, 100));
    }

    [Fact]
    public void An_older_count_that_comes_late_takes_nothing_back()
    {
        var credit = new VsockCredit(1000);
        credit.Update(500, 0);
        credit.Send(500);
        Assert.True(credit.Update(500, 400));
        Assert.True(credit.Update(500, 300));
        Assert.Equal(400u, credit.Available);
    }

    [Fact]
    public void A_buffer_that_the_peer_makes_smaller_leaves_no_credit()
    {
        var credit = new VsockCredit(1000);
        credit.Update(500, 0);
        credit.Send(400);
        Assert.True(credit.Update(100, 0));
        Assert.Equal(0u, credit.Available);
    }

    [Fact]
    public void An_update_is_due_when_half_of_the_room_was_consumed_untold()
    {
        var credit = new VsockCredit(1000);
        Assert.True(credit.Receive(1000));
        Assert.False(credit.Receive(1));
        credit.Forward(499);
        Assert.False(credit.UpdateIsDue);
        credit.Forward(1);
        Assert.True(credit.UpdateIsDue);
        credit.Announce();
        Assert.False(credit.UpdateIsDue);
        Assert.True(credit.Receive(500));
    }
}
