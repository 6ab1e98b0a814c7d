using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Faulty;
using ChannelSdk.Transports.InMemory;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ChannelSdk.Transports.Tests.Faulty;

public sealed class FaultyEndpointTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    public async Task A_cut_of_the_sent_bytes_lets_exactly_so_many_through(int cut)
    {
        await using var rig = Rig(new LinkFaults { CutAfterSent = cut });
        var (near, far) = await rig.OpenAsync();
        var waiting = near.ReceiveAsync(new byte[10]).AsTask();

        var error = await Assert.ThrowsAsync<ChannelException>(
            () => Pattern.SendAsync(near, 5000, 1, 300).Within());
        Assert.Equal(ChannelError.LinkLost, error.Code);
        Assert.Equal(0, await waiting.Within());
        Assert.Equal(cut, await Pattern.CheckAsync(far, 5000, 1, 70).Within());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1000)]
    public async Task A_cut_of_the_received_bytes_ends_the_link_with_the_last_of_them(int cut)
    {
        await using var rig = Rig(new LinkFaults { CutAfterReceived = cut });
        var (near, far) = await rig.OpenAsync();
        await Pattern.SendAsync(far, 5000, 1, 300).Within();

        Assert.Equal(cut, await Pattern.CheckAsync(near, cut, 1, 300).Within());
        await Assert.ThrowsAsync<ChannelException>(() => far.SendAsync(new byte[1]).Within());
        Assert.Equal(0, await near.ReceiveAsync(new byte[10]).Within());
    }

    [Fact]
    public async Task A_corrupt_byte_is_wrong_alone_in_either_direction()
    {
        await using var rig = Rig(new LinkFaults { CorruptSentAt = 123, CorruptReceivedAt = 456, MaxSend = 50 });
        var (near, far) = await rig.OpenAsync();
        await Pattern.SendAsync(near, 1000, 1, 300).Within();
        await Pattern.SendAsync(far, 1000, 2, 300).Within();

        Assert.Equal([123], await WrongBytesAsync(far, 1000, 1));
        Assert.Equal([456], await WrongBytesAsync(near, 1000, 2));
    }

    [Fact]
    public async Task Stale_bytes_of_the_link_before_come_first_on_the_next()
    {
        var plan = new FaultPlan
        {
            Links = [new LinkFaults { CutAfterReceived = 400 }],
            Then = new LinkFaults { ReplayBytes = 150 },
        };
        await using var rig = Rig(plan);
        var (near, far) = await rig.OpenAsync();
        await Pattern.SendAsync(far, 1000, 1, 300).Within();
        var old = await ReadAsync(near, 400);
        await near.DisposeAsync();
        await far.DisposeAsync();

        (near, far) = await rig.OpenAsync();
        await Pattern.SendAsync(far, 100, 2, 300).Within();
        Assert.Equal(old[250..], await ReadAsync(near, 150));
        Assert.Equal(100, await Pattern.CheckAsync(near, 100, 2, 300).Within());
    }

    [Fact]
    public async Task A_stall_lasts_as_long_as_the_clock_says()
    {
        var clock = new FakeTimeProvider();
        await using var rig = Rig(
            new FaultPlan { Then = new LinkFaults { StallSendAt = 10, StallTime = TimeSpan.FromSeconds(5) } }, clock);
        var (near, far) = await rig.OpenAsync();

        await near.SendAsync(new byte[10]).Within();
        var stalled = near.SendAsync(new byte[10]).AsTask();
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(stalled.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(10, await stalled.Within());
        Assert.Equal(10, await near.SendAsync(new byte[10]).Within());
        await ReadAsync(far, 30);
    }

    [Fact]
    public async Task Abort_wakes_a_stalled_call()
    {
        await using var rig = Rig(
            new FaultPlan { Then = new LinkFaults { StallReceiveAt = 0 } }, new FakeTimeProvider());
        var (near, _) = await rig.OpenAsync();
        var stalled = near.ReceiveAsync(new byte[1]).AsTask();
        near.Abort();
        var error = await Assert.ThrowsAsync<ChannelException>(() => stalled.Within());
        Assert.Equal(ChannelError.LinkLost, error.Code);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_sizes()
    {
        var plan = new FaultPlan { Seed = 42, Then = new LinkFaults { MaxSend = 1000 } };
        var first = await SizesAsync(plan);
        Assert.Equal(first, await SizesAsync(plan));
        Assert.NotEqual(first, await SizesAsync(plan with { Seed = 43 }));
    }

    [Fact]
    public void A_plan_with_values_out_of_range_is_refused()
    {
        var pair = new InMemoryPair();
        foreach (var faults in new LinkFaults[]
        {
            new() { CutAfterSent = -1 }, new() { MaxReceive = 0 }, new() { ReplayBytes = int.MaxValue },
            new() { StallTime = TimeSpan.FromSeconds(-1) },
        })
        {
            Assert.Throws<ArgumentOutOfRangeException>(
                () => new FaultyEndpoint(pair.Guest, new FaultPlan { Then = faults }));
        }
    }

    private static TransportRig Rig(LinkFaults faults) => Rig(new FaultPlan { Seed = 1, Then = faults });

    private static TransportRig Rig(FaultPlan plan, TimeProvider? clock = null)
    {
        var pair = new InMemoryPair();
        return new TransportRig(new FaultyEndpoint(pair.Guest, plan, clock), pair.Host);
    }

    private static async Task<List<int>> SizesAsync(FaultPlan plan)
    {
        await using var rig = Rig(plan);
        var (near, _) = await rig.OpenAsync();
        var sizes = new List<int>();
        for (var i = 0; i < 20; i++)
        {
            sizes.Add(await near.SendAsync(new byte[2000]).Within());
        }

        return sizes;
    }

    private static async Task<List<int>> WrongBytesAsync(ITransportLink link, int total, int seed)
    {
        var received = await ReadAsync(link, total);
        var expected = new byte[total];
        Pattern.Fill(expected, 0, seed);
        return [.. Enumerable.Range(0, total).Where(i => received[i] != expected[i])];
    }

    private static async Task<byte[]> ReadAsync(ITransportLink link, int total)
    {
        var buffer = new byte[total];
        for (var received = 0; received < total;)
        {
            var count = await link.ReceiveAsync(buffer.AsMemory(received)).Within();
            Assert.NotEqual(0, count);
            received += count;
        }

        return buffer;
    }
}
