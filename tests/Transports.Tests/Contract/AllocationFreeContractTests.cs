using ChannelSdk.Transports.Abstractions;
using Xunit;

namespace ChannelSdk.Transports.Tests.Contract;

/// <summary>What every transport for production must keep on top: steady traffic allocates nothing.</summary>
/// <remarks>The loops are one async method each: in a debug build every call of one allocates its state.</remarks>
public abstract class AllocationFreeContractTests : TransportContractTests
{
    [Fact]
    public async Task A_round_trip_allocates_nothing()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();
        await AllocationProbe.AssertNone(
            rounds => Task.WhenAll(ExchangeAsync(near, rounds, first: true), ExchangeAsync(far, rounds, first: false)),
            2000);
    }

    [Fact]
    public async Task A_saturated_link_allocates_nothing()
    {
        await using var rig = NewRig();
        var (near, far) = await rig.OpenAsync();
        var block = rig.Volume / 1024;
        await AllocationProbe.AssertNone(
            rounds => Task.WhenAll(SourceAsync(near, rounds, block), SinkAsync(far, (long)rounds * block)), 1000);
    }

    private static async Task ExchangeAsync(ITransportLink link, int rounds, bool first)
    {
        var message = new byte[64];
        var sending = first;
        for (var i = 0; i < rounds * 2; i++, sending = !sending)
        {
            for (var done = 0; done < message.Length;)
            {
                done += sending
                    ? await link.SendAsync(message.AsMemory(done)).ConfigureAwait(false)
                    : await link.ReceiveAsync(message.AsMemory(done)).ConfigureAwait(false);
            }
        }
    }

    private static async Task SourceAsync(ITransportLink link, int blocks, int length)
    {
        var block = new byte[length];
        for (var i = 0; i < blocks; i++)
        {
            for (var sent = 0; sent < length;)
            {
                sent += await link.SendAsync(block.AsMemory(sent)).ConfigureAwait(false);
            }
        }
    }

    private static async Task SinkAsync(ITransportLink link, long total)
    {
        var block = new byte[32 * 1024];
        while (total > 0)
        {
            total -= await link.ReceiveAsync(block).ConfigureAwait(false);
        }
    }
}
