using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Tests;

/// <summary>A call that is told as not run did not run, and does not later.</summary>
public class CallOnceTests
{
    private const long Second = 1_000_000;

    private static Wire<CallPeer> NewWire(SessionOptions? options = null)
    {
        var wire = new Wire<CallPeer>(new CallPeer(PeerRole.Guest, options, seed: 1), new CallPeer(PeerRole.Host, options, seed: 2));
        wire.Connect();
        wire.Run();
        return wire;
    }

    private static void Wait(Wire<CallPeer> wire, long time)
    {
        wire.Now += time;
        wire.Guest.Tick(wire.Now);
        wire.Host.Tick(wire.Now);
    }

    [Fact]
    public void A_call_whose_deadline_passes_without_a_link_does_not_run_when_the_link_is_back()
    {
        var wire = NewWire();
        wire.Cut();
        Assert.True(wire.Host.Call(1, 64, wire.Now + Second, wire.Now));
        Wait(wire, 3 * Second);
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (wire.Host.Ended[1].Code, wire.Host.Ended[1].Class));
        Assert.True(wire.Host.Call(2, 64, 0, wire.Now));
        wire.Connect();
        wire.Run(Second);
        Assert.Equal([2], wire.Guest.Ran.Keys);
        Assert.Equal(ChannelError.None, wire.Host.Ended[2].Code);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(20_000)]
    public void A_call_that_waits_behind_a_send_does_not_run_after_its_deadline(int size)
    {
        var wire = NewWire(new SessionOptions { MaxFrame = 1024 });
        // The transport takes one byte of a first call's frames and then nothing: what follows is produced and given to no link.
        Assert.True(wire.Host.Call(1, 64, 0, wire.Now));
        Assert.NotEqual(0, wire.Host.Session.GetOutput(wire.Now).Length);
        Assert.True(wire.Host.Call(2, size, wire.Now + Second, wire.Now));
        Assert.True(wire.Host.Call(3, 64, 0, wire.Now));
        wire.Host.Tick(wire.Now + 2 * Second);
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (wire.Host.Ended[2].Code, wire.Host.Ended[2].Class));
        wire.Host.Session.AdvanceOutput(1);
        wire.Cut();
        Assert.True(wire.Host.Call(4, 64, 0, wire.Now));
        wire.Connect();
        wire.Run(Second);
        Assert.Equal([1, 3, 4], wire.Guest.Ran.Keys);
        Assert.Equal(0, wire.Host.Session.HeldBytes);
        Assert.DoesNotContain(wire.Host.Events.Concat(wire.Guest.Events), e => e.StartsWith("session lost", StringComparison.Ordinal));
    }

    [Fact]
    public void A_call_whose_frames_a_link_was_given_in_part_may_have_run()
    {
        var wire = NewWire();
        Assert.True(wire.Host.Call(1, 64, wire.Now + Second, wire.Now));
        Assert.NotEqual(0, wire.Host.Session.GetOutput(wire.Now).Length);
        wire.Host.Session.AdvanceOutput(1);
        wire.Cut();
        Wait(wire, 2 * Second);
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun), (wire.Host.Ended[1].Code, wire.Host.Ended[1].Class));
    }

    [Fact]
    public void Calls_made_without_a_link_run_in_the_next_session()
    {
        var wire = NewWire();
        wire.Cut();
        for (var i = 1; i <= 20; i++)
        {
            Assert.True(wire.Host.Call(i, i * 100, 0, wire.Now));
        }

        // A new guest with no memory of the session.
        var next = new Wire<CallPeer>(new CallPeer(PeerRole.Guest, seed: 9), wire.Host) { Now = wire.Now };
        next.Connect();
        next.Run(Second);
        Assert.Equal(Enumerable.Range(1, 20), next.Guest.Ran.Keys);
        Assert.All(wire.Host.Ended.Values, status => Assert.Equal(ChannelError.None, status.Code));
        Assert.Equal(20, wire.Host.Ended.Count);
    }

    [Fact]
    public void A_call_that_was_given_up_without_a_link_leaves_nothing_in_the_log()
    {
        var wire = NewWire();
        wire.Cut();
        for (var i = 0; i < 10_000; i++)
        {
            Assert.True(wire.Host.Call(i, 1000, wire.Now + Second, wire.Now));
            Wait(wire, 2 * Second / 1000 * 1000);
            if (i % 100 == 99)
            {
                Assert.Equal(0, wire.Host.Session.HeldBytes);
            }
        }
    }
}
