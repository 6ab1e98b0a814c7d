using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.InMemory;
using Xunit;

namespace ChannelSdk.Transports.Tests;

public sealed class InMemoryPairTests
{
    [Fact]
    public async Task The_sides_know_each_other_by_name()
    {
        await using var pair = new InMemoryPair(name: "vm7");
        var host = pair.Host.OpenAsync(CancellationToken.None).AsTask();
        var guest = await pair.Guest.OpenAsync(CancellationToken.None).Within();
        Assert.Equal("memory:vm7/host", guest.Peer.ToString());
        Assert.Equal("memory:vm7/guest", (await host.Within()).Peer.ToString());
        Assert.Equal("memory://vm7/guest", pair.Guest.Uri);
    }

    [Fact]
    public async Task A_side_that_opens_again_waits_until_the_other_does()
    {
        await using var pair = new InMemoryPair();
        var host = pair.Host.OpenAsync(CancellationToken.None).AsTask();
        var guest = await pair.Guest.OpenAsync(CancellationToken.None).Within();
        await guest.DisposeAsync();

        var again = pair.Guest.OpenAsync(CancellationToken.None).AsTask();
        Assert.False(again.IsCompleted);
        Assert.Equal(0, await (await host.Within()).ReceiveAsync(new byte[1]).Within());
        await pair.Host.OpenAsync(CancellationToken.None).Within();
        await again.Within();
    }

    [Fact]
    public async Task Disposing_ends_a_waiting_open()
    {
        var pair = new InMemoryPair();
        var waiting = pair.Host.OpenAsync(CancellationToken.None).AsTask();
        await pair.DisposeAsync();
        var error = await Assert.ThrowsAsync<ChannelException>(() => waiting.Within());
        Assert.Equal(ErrorClass.Refused, error.Class);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(int.MaxValue)]
    public void A_capacity_out_of_range_is_refused(int capacity) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new InMemoryPair(capacity));
}
