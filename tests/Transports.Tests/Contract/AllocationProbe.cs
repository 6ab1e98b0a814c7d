using Xunit;

namespace ChannelSdk.Transports.Tests.Contract;

/// <summary>Counts what the whole process allocates for each round of some work.</summary>
internal static class AllocationProbe
{
    private const int Attempts = 5;
    private const int Longer = 4;

    /// <summary>
    /// Asserts less than one byte a round; the smallest object has 24. What a run allocates whatever its length is
    /// left out by comparing a short and a long one.
    /// </summary>
    internal static async Task AssertNone(Func<int, Task> run, int rounds)
    {
        await run(rounds).Within();
        var best = double.MaxValue;
        // The runtime itself allocates at times (tiered compilation, the test runner's timers).
        for (var attempt = 0; attempt < Attempts && best >= 1; attempt++)
        {
            var shortRun = await AllocatedBy(run, rounds);
            var longRun = await AllocatedBy(run, rounds * Longer);
            best = Math.Min(best, (longRun - shortRun) / (double)(rounds * (Longer - 1)));
        }

        Assert.True(best < 1, $"{best:F2} bytes were allocated for each round");
    }

    private static async Task<long> AllocatedBy(Func<int, Task> run, int rounds)
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await run(rounds).Within();
        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }
}
