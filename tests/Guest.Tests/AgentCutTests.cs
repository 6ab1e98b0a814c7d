using ChannelSdk.Transports.Faulty;

namespace ChannelSdk.Guest.Tests;

/// <summary>The tests of an agent, and what cuts its links in this process, where the host's session is.</summary>
public abstract class AgentCutTests : AgentTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(23)]
    [InlineData(24)]
    [InlineData(160)]
    [InlineData(1000)]
    [InlineData(40_000)]
    [InlineData(65_559)]
    [InlineData(300_001)]
    public async Task A_cut_at_a_sampled_byte_offset_in_either_direction_loses_nothing(long offset)
    {
        await using var started = await StartAsync();
        var plan = new FaultPlan
        {
            Links =
            [
                new LinkFaults { CutAfterSent = offset },
                new LinkFaults { CutAfterReceived = offset },
            ],
        };
        await using var channel = started.Attach(inner => new FaultyEndpoint(inner, plan));
        await Transfers.SendAsync(channel, 1 << 20, cutEvery: long.MaxValue);
        await Transfers.ReceiveAsync(channel, 1 << 20, cutEvery: long.MaxValue);
    }
}
