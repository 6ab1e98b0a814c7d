using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Testing;

/// <summary>What every transport must keep. A new transport derives from this and gives its rig.</summary>
public abstract class TransportContractTests
{
    public abstract TransportRig NewRig();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Bytes_arrive_in_order_both_ways_at_once(int seed)
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        var sendNear = Pattern.SendAsync(near, rig.Volume, seed, 100_000);
        var sendFar = Pattern.SendAsync(far, rig.Volume, seed + 100, 100_000);
        var checkFar = Pattern.CheckAsync(far, rig.Volume, seed, 70_000);
        var checkNear = Pattern.CheckAsync(near, rig.Volume, seed + 100, 70_000);

        Assert.Equal(rig.Volume, await checkFar.Within());
        Assert.Equal(rig.Volume, await checkNear.Within());
        await Task.WhenAll(sendNear, sendFar).Within();
    }

    [Fact]
    public async Task No_wake_is_lost_when_calls_race_with_arrivals()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();
        var volume = rig.Volume / 64;

        var sendNear = Task.Run(() => Pattern.SendAsync(near, volume, 5, 300, yield: true));
        var sendFar = Task.Run(() => Pattern.SendAsync(far, volume, 6, 300, yield: true));
        var checkFar = Task.Run(() => Pattern.CheckAsync(far, volume, 5, 300, yield: true));
        var checkNear = Task.Run(() => Pattern.CheckAsync(near, volume, 6, 300, yield: true));

        Assert.Equal(volume, await checkFar.Within());
        Assert.Equal(volume, await checkNear.Within());
        await Task.WhenAll(sendNear, sendFar).Within();
    }

    [Fact]
    public async Task A_full_transport_makes_send_wait_and_go_on()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        var (queued, waiting) = await FillAsync(near);
        var waitingSend = waiting.AsTask();
        Assert.False(waitingSend.IsCompleted);

        var buffer = new byte[64 * 1024];
        long received = 0;
        while (received < queued)
        {
            received += await far.ReceiveAsync(buffer).Within();
        }

        queued += await waitingSend.Within();
        while (received < queued)
        {
            received += await far.ReceiveAsync(buffer).Within();
        }

        Assert.Equal(queued, received);
    }

    [Fact]
    public async Task The_end_of_the_other_side_comes_after_its_last_bytes()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        await Pattern.SendAsync(far, 600, 7, 300).Within();
        await far.DisposeAsync();

        Assert.Equal(600, await Pattern.CheckAsync(near, 600, 7, 300).Within());
        Assert.Equal(0, await near.ReceiveAsync(new byte[10]).Within());
        Assert.Equal(0, await near.ReceiveAsync(new byte[10]).Within());
        await AssertLinkLost(() => near.SendAsync(new byte[10]));
    }

    [Fact]
    public async Task The_end_that_came_together_with_the_last_bytes_is_seen_after_a_short_receive()
    {
        await using var rig = NewRig();
        for (var round = 0; round < 100; round++)
        {
            var (near, far) = await rig.OpenAsync();
            await Pattern.SendAsync(far, 3, round, 3).Within();
            await far.DisposeAsync();
            Assert.Equal(3, await Pattern.CheckAsync(near, 4, round, 100).Within());
            await near.DisposeAsync();
        }
    }

    [Fact]
    public async Task The_end_of_the_other_side_wakes_a_waiting_receive_and_send()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        var receive = near.ReceiveAsync(new byte[10]).AsTask();
        var (_, send) = await FillAsync(near);
        await far.DisposeAsync();

        Assert.Equal(0, await receive.Within());
        await AssertLinkLost(() => send);
    }

    [Fact]
    public async Task Abort_wakes_outstanding_calls_and_refuses_later_ones()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        var receive = near.ReceiveAsync(new byte[10]).AsTask();
        var (_, send) = await FillAsync(near);
        await Task.Run(near.Abort).Within();
        near.Abort();

        await AssertLinkLost(() => new ValueTask<int>(receive));
        await AssertLinkLost(() => send);
        await AssertLinkLost(() => near.ReceiveAsync(new byte[10]));
        await AssertLinkLost(() => near.SendAsync(new byte[10]));
        await far.DisposeAsync();
    }

    [Fact]
    public async Task Abort_ends_the_other_side_too()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();

        var receive = far.ReceiveAsync(new byte[10]).AsTask();
        near.Abort();

        Assert.Equal(0, await receive.Within());
    }

    [Fact]
    public async Task Each_open_gives_a_fresh_link()
    {
        await using var rig = NewRig();
        for (var round = 0; round < 5; round++)
        {
            var (near, far) = await rig.OpenAsync();
            await Pattern.SendAsync(near, 100, round, 100).Within();
            Assert.Equal(100, await Pattern.CheckAsync(far, 100, round, 100).Within());
            // Left unread: the next link must not see it.
            await Pattern.SendAsync(near, 50, 99, 50).Within();
            await Pattern.SendAsync(far, 50, 98, 50).Within();
            await near.DisposeAsync();
            await far.DisposeAsync();
            await far.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_cancelled_open_leaves_the_endpoint_usable()
    {
        await using var rig = NewRig();
        using var cancel = new CancellationTokenSource();
        var open = rig.Far.OpenAsync(cancel.Token).AsTask();
        Assert.False(open.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => open.Within());

        var (near, far) = await rig.OpenAsync();
        await Pattern.SendAsync(near, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1024 * 1024)]
    public async Task Buffers_of_any_size_work(int size)
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();
        var total = size == 1 ? 20_000 : Math.Min(rig.Volume, 5 * size);

        var send = Pattern.SendAsync(near, total, 3, size);
        Assert.Equal(total, await Pattern.CheckAsync(far, total, 3, size).Within());
        await send.Within();
    }

    [Fact]
    public async Task An_empty_buffer_is_refused()
    {
        await using var rig = NewRig();
        var (near, _) = await rig.OpenAsync();
        await Assert.ThrowsAsync<ArgumentException>(async () => await near.ReceiveAsync(Memory<byte>.Empty));
        await Assert.ThrowsAsync<ArgumentException>(async () => await near.SendAsync(ReadOnlyMemory<byte>.Empty));
    }

    private static async Task<(long Queued, ValueTask<int> Waiting)> FillAsync(ITransportLink link)
    {
        var block = new byte[64 * 1024];
        long queued = 0;
        while (true)
        {
            var send = link.SendAsync(block);
            if (!send.IsCompleted)
            {
                return (queued, send);
            }

            queued += await send;
            Assert.True(queued < 256L * 1024 * 1024, "the transport has no bound");
        }
    }

    private static async Task AssertLinkLost(Func<ValueTask<int>> call)
    {
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await call().Within());
        Assert.Equal(ChannelError.LinkLost, error.Code);
    }
}
