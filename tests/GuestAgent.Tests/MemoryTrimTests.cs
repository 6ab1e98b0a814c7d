using ChannelSdk.GuestAgent.Platform.Linux;

namespace ChannelSdk.GuestAgent.Tests;

public class MemoryTrimTests
{
    [Fact]
    public void Memory_is_given_back_once_after_the_last_of_a_burst_of_work()
    {
        var time = new ManualTime();
        int trims = 0;
        using var trim = new MemoryTrim(() => trims++, time);
        for (int i = 0; i < 10; i++)
        {
            trim.WorkDone();
            time.Advance(MemoryTrim.Quiet / 2);
        }
        Assert.Equal(0, trims);

        time.Advance(MemoryTrim.Quiet);
        time.Advance(MemoryTrim.Quiet);

        Assert.Equal(1, trims);
    }
}
