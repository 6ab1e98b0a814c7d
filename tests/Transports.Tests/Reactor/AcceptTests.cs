using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Native;
using ChannelSdk.Transports.Tests.VirtioSerial;
using ChannelSdk.Transports.Tests.Vsock;
using Xunit;

namespace ChannelSdk.Transports.Tests.Reactor;

/// <summary>A listener outlives what goes wrong with one connection.</summary>
public sealed class AcceptTests
{
    [Fact]
    public async Task Programs_that_hand_nothing_over_hold_up_no_connection()
    {
        using var directory = new TestDirectory();
        using var listener = new ForwardListener(directory["s"]);
        Task<ITransportLink> accept = listener.AcceptAsync().AsTask();
        FrontEndDouble[] silent = [.. Enumerable.Range(0, 5).Select(_ => new FrontEndDouble(directory["s"]))];
        long begin = Environment.TickCount64;
        HandOver(directory["s"]).Dispose();
        await using ITransportLink link = await accept.Within();
        Assert.InRange(Environment.TickCount64 - begin, 0, 1500);
        Array.ForEach(silent, static program => program.Dispose());
    }

    [Fact]
    public async Task A_connection_that_ended_before_it_was_handed_over_ends_no_forward()
    {
        using var directory = new TestDirectory();
        using var listener = new ForwardListener(directory["s"]);
        Task<ITransportLink> accept = listener.AcceptAsync().AsTask();
        HandOver(directory["s"]).Dispose();
        await using (ITransportLink ended = await accept.Within())
        {
            Assert.Equal(0, await ended.ReceiveAsync(new byte[1]).Within());
        }
        accept = listener.AcceptAsync().AsTask();
        using SafeFd guest = HandOver(directory["s"]);
        await using ITransportLink link = await accept.Within();
        TestLibc.Write(guest, "x"u8);
        Assert.Equal(1, await link.ReceiveAsync(new byte[1]).Within());
    }

    private static SafeFd HandOver(string path)
    {
        (SafeFd given, SafeFd kept) = TestLibc.SocketPair();
        using var helper = new FrontEndDouble(path);
        helper.SendRaw("x"u8, given);
        given.Dispose();
        return kept;
    }
}
