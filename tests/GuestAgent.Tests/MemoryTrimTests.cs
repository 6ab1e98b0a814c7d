using ChannelSdk.GuestAgent.Platform;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.GuestAgent.Tests;

public class MemoryTrimTests
{
    [Fact]
    public void Memory_is_given_back_once_when_a_burst_of_work_is_over()
    {
        var time = new FakeTimeProvider();
        int collections = 5, trims = 0;
        using var trim = new MemoryTrim(() => collections, () => (trims, collections) = (trims + 1, collections + 1), time);
        Pass(time, 3);
        Assert.Equal(0, trims);

        for (var i = 0; i < 10; i++)
        {
            collections++;
            Pass(time, 1);
        }

        Assert.Equal(0, trims);
        Pass(time, 5);
        Assert.Equal(1, trims);

        collections++;
        Pass(time, 5);
        Assert.Equal(2, trims);
    }

    private static void Pass(FakeTimeProvider time, int periods)
    {
        for (var i = 0; i < periods; i++)
        {
            time.Advance(MemoryTrim.Period);
        }
    }
}
