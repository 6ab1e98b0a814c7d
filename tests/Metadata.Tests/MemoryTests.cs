namespace ChannelSdk.Metadata.Tests;

/// <summary>Alone: it is the process's memory that is measured, and what other tests let go of meanwhile would count as well.</summary>
[Collection("memory")]
public class MemoryTests
{
    [Fact]
    public async Task Two_hundred_instances_cost_little_memory_each()
    {
        await using var rig = await ServerRig.StartAsync();
        var before = await SettledAsync();
        for (var i = 0; i < 200; i++)
        {
            var instance = rig.Server.AttachInstance($"i{i}");
            rig.Store.Put($"i{i}", Samples.Parse($"instance_id: i-{i}\nhostname: h{i}\n"));
            instance.ListenUnix(rig[$"{i}.sock"]);
            using var http = ServerRig.ClientOf(rig[$"{i}.sock"]);
            Assert.Equal($"i-{i}", await http.GetStringAsync(new Uri("http://169.254.169.254/latest/meta-data/instance-id")));
        }

        var each = (await SettledAsync() - before) / 200;
        // Less than nothing, if what others had before has gone since.
        Assert.True(each <= 64 * 1024, $"{each} bytes each");
    }

    // Finalizers and timers of tests before let go of theirs for a while.
    private static async Task<long> SettledAsync()
    {
        var last = long.MaxValue;
        while (true)
        {
            GC.WaitForPendingFinalizers();
            var now = GC.GetTotalMemory(forceFullCollection: true);
            if (last - now < 64 * 1024)
            {
                return now;
            }

            last = now;
            await Task.Delay(200);
        }
    }
}

[CollectionDefinition("memory", DisableParallelization = true)]
public class MemoryCollection;
