using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>The page and its rings, by hand.</summary>
public sealed class VchanEndTests
{
    [Theory]
    [InlineData(10, 11, 0u)]
    [InlineData(11, 10, uint.MaxValue - 1000)]
    [InlineData(12, 10, uint.MaxValue - 4096)]
    [InlineData(16, 13, uint.MaxValue)]
    public void Bytes_pass_both_ways_over_every_end_of_ring_and_counter(int leftOrder, int rightOrder, uint firstCounter)
    {
        using var bench = new PageBench(leftOrder, rightOrder, firstCounter);
        Assert.True(bench.Client.TryClaim());
        Move(bench.Client, bench.Server, 1);
        Move(bench.Server, bench.Client, 2);
        Assert.True(bench.IsIntact);
    }

    [Theory]
    [InlineData(10, 10, false)]
    [InlineData(11, 11, false)]
    [InlineData(10, 11, true)]
    [InlineData(11, 20, true)]
    [InlineData(12, 12, true)]
    [InlineData(9, 12, false)]
    [InlineData(12, 21, false)]
    [InlineData(65535, 12, false)]
    public void Orders_that_no_two_rings_have_are_told(int left, int right, bool isAllowed) =>
        Assert.Equal(isAllowed, VchanLayout.IsAllowed(left, right));

    [Fact]
    public void A_waiting_side_is_woken_once_by_its_event()
    {
        using var bench = new PageBench();
        Assert.True(bench.Client.TryClaim());
        var buffer = new byte[8192];
        Assert.Equal(VchanEnd.Wait, bench.Server.Receive(buffer, out _));
        Assert.Equal(10, bench.Client.Send(buffer.AsSpan(0, 10), out var wake));
        Assert.True(wake);
        Assert.Equal(10, bench.Client.Send(buffer.AsSpan(0, 10), out wake));
        Assert.False(wake);

        Assert.Equal(4076, bench.Client.Send(buffer, out _));
        Assert.Equal(VchanEnd.Wait, bench.Client.Send(buffer, out _));
        Assert.Equal(1, bench.Server.Receive(buffer.AsSpan(0, 1), out wake));
        Assert.True(wake);
        Assert.Equal(1, bench.Server.Receive(buffer.AsSpan(0, 1), out wake));
        Assert.False(wake);
    }

    [Fact]
    public void A_client_asks_for_the_first_bytes_as_the_C_library_does()
    {
        using var bench = new PageBench();
        Assert.Equal(VchanLayout.NotYet, bench.Server.PeerLive);
        Assert.True(bench.Client.TryClaim());
        Assert.Equal(VchanLayout.Up, bench.Server.PeerLive);
        bench.Server.Send(new byte[1], out var wake);
        Assert.True(wake);
    }

    [Fact]
    public void A_channel_has_one_client_and_only_while_its_server_is_up()
    {
        using var bench = new PageBench();
        Assert.True(bench.Client.TryClaim());
        Assert.False(bench.Client.TryClaim());
        using var gone = new PageBench();
        gone.Server.Leave();
        Assert.False(gone.Client.TryClaim());
    }

    [Fact]
    public void The_last_bytes_of_a_side_that_went_are_received_before_its_end()
    {
        using var bench = new PageBench();
        Assert.True(bench.Client.TryClaim());
        bench.Client.Send(new byte[5], out _);
        bench.Client.Leave();
        var buffer = new byte[10];
        Assert.Equal(5, bench.Server.Receive(buffer, out _));
        Assert.Equal(0, bench.Server.Receive(buffer, out _));
        Assert.Equal(0, bench.Server.Send(buffer, out _));
    }

    [Theory]
    [InlineData(VchanLayout.LeftProduced, 4097u)]
    [InlineData(VchanLayout.LeftProduced, uint.MaxValue)]
    [InlineData(VchanLayout.RightConsumed, 1u)]
    [InlineData(VchanLayout.RightConsumed, 0x80000000u)]
    public void A_counter_that_jumps_ends_the_channel(int counter, uint value)
    {
        using var bench = new PageBench();
        Assert.True(bench.Client.TryClaim());
        bench.Word(counter) = value;
        var buffer = new byte[100];
        var error = Assert.Throws<ChannelException>(() => counter == VchanLayout.LeftProduced
            ? bench.Server.Receive(buffer, out _) : bench.Server.Send(buffer, out _));
        Assert.Equal(ChannelError.TransportFailed, error.Code);
        Assert.Contains("broke the vchan", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_own_counters_and_orders_in_the_page_are_not_believed()
    {
        using var bench = new PageBench();
        Assert.True(bench.Client.TryClaim());
        bench.Client.Send(new byte[100], out _);
        bench.Word(VchanLayout.LeftConsumed) = 0xFFFFFFF0;
        bench.Word(VchanLayout.RightProduced) = 0x12345678;
        bench.Word(VchanLayout.LeftOrder) = 0x00140014;
        var buffer = new byte[200];
        Assert.Equal(100, bench.Server.Receive(buffer, out _));
        Assert.Equal(100u, bench.Word(VchanLayout.LeftConsumed));
        Assert.Equal(200, bench.Server.Send(buffer, out _));
        Assert.Equal(200u, bench.Word(VchanLayout.RightProduced));
        Assert.True(bench.IsIntact);
    }

    private static void Move(VchanEnd from, VchanEnd to, int seed)
    {
        const int total = 300_000;
        var random = new Random(seed);
        var sent = new byte[9000];
        var received = new byte[9000];
        var expected = new byte[9000];
        int sendAt = 0, receiveAt = 0;
        while (receiveAt < total)
        {
            var length = Math.Min(random.Next(1, sent.Length), total - sendAt);
            if (length > 0)
            {
                Pattern.Fill(sent.AsSpan(0, length), sendAt, seed);
                var count = from.Send(sent.AsSpan(0, length), out _);
                sendAt += Math.Max(count, 0);
            }

            var got = to.Receive(received.AsSpan(0, random.Next(1, received.Length)), out _);
            if (got > 0)
            {
                Pattern.Fill(expected.AsSpan(0, got), receiveAt, seed);
                Assert.True(expected.AsSpan(0, got).SequenceEqual(received.AsSpan(0, got)));
                receiveAt += got;
            }
        }

        Assert.Equal(total, sendAt);
    }
}
