using System.Diagnostics;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Host.Info;

namespace ChannelSdk.Guest.Tests;

/// <summary>File systems of a guest whose program hangs: the agent goes on.</summary>
[Collection("guest")]
public class HungMountTests(SavedGuest saved)
{
    private static readonly TimeSpan s_promise = TimeSpan.FromSeconds(2);

    private static CancellationToken Soon => SavedGuest.Soon;

    [Fact]
    public async Task Info_answers_within_two_seconds_and_names_the_hung_mount_and_other_calls_are_answered_at_once()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        var program = Path.Combine(Path.GetDirectoryName(disks.Ext4)!, "fuse-double");
        await DiskGuest.RunAsync("gcc", "-static", "-O1", "-Wall", "-o", program, Path.Combine(SavedGuest.FindRoot(), "tests/GuestAgent.Tests/Namespaces/fuse-double.c"));
        await instance.Files.CopyInAsync(program, "/tmp/fuse-double", cancellationToken: Soon);
        // A mount beneath a program's file system, as one that overlays it, and a block device's, as that of ntfs-3g.
        await using var run = await instance.Exec.StartAsync(new()
        {
            Command =
            [
                "/bin/sh", "-ec", """
                chmod 755 /tmp/fuse-double
                mkdir -p /tmp/plain /tmp/disk
                losetup /dev/loop1 /e/inner.img
                /tmp/fuse-double fuse /tmp/plain double >/tmp/pid.plain &
                /tmp/fuse-double fuseblk /tmp/disk /dev/loop1 >/tmp/pid.disk &
                while [ ! -s /tmp/pid.plain ] || [ ! -s /tmp/pid.disk ]; do usleep 10000; done
                mount -t tmpfs inner /tmp/plain/inner
                echo mounted
                wait
                """,
            ],
        }, Soon);
        using (var output = new StreamReader(run.StandardOutput))
        {
            Assert.Equal("mounted", await output.ReadLineAsync(Soon));
            Assert.All((await instance.Info.GetAsync(Soon)).FileSystems, static entry => Assert.Equal("", entry.Silent));
            await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(100), cancellationToken: Soon);
            await disks.Console.ShAsync("kill -STOP $(cat /tmp/pid.plain) $(cat /tmp/pid.disk)");

            await PromptlyAsync(instance.Info.PingAsync(Soon));
            await PromptlyAsync(instance.Freeze.StatusAsync(Soon));
            var thawed = await PromptlyAsync(instance.Freeze.ThawAsync(cancellationToken: Soon));
            Assert.All(thawed.Mounts, static mount => Assert.Equal(MountOutcome.Thawed, mount.Outcome));
            await disks.StartWritersAsync();
            await disks.AssertWritersEndAsync();

            var asked = instance.Info.GetAsync(Soon);
            var others = Task.WhenAll(PromptlyAsync(instance.Info.PingAsync(Soon)) as Task, PromptlyAsync(instance.Time.DriftAsync(Soon)),
                PromptlyAsync(instance.Freeze.StatusAsync(Soon)));
            var info = await PromptlyAsync(asked);
            await others;
            FileSystemUsage Of(string mount) => info.FileSystems.Single(entry => entry.Mount == mount);
            Assert.Equal((0L, "/tmp/plain"), (Of("/tmp/plain/inner").TotalBytes, Of("/tmp/plain/inner").Silent));
            Assert.Equal((0L, "/tmp/disk"), (Of("/tmp/disk").TotalBytes, Of("/tmp/disk").Silent));
            Assert.Equal((true, ""), (Of("/e").TotalBytes > 0, Of("/e").Silent));

            var reply = await PromptlyAsync(instance.Power.RebootAsync(cancellationToken: Soon));
            Assert.True(reply.Accepted);
        }
    }

    private static async Task<T> PromptlyAsync<T>(Task<T> task)
    {
        var clock = Stopwatch.StartNew();
        var result = await task;
        Assert.True(clock.Elapsed < s_promise, $"it took {clock.Elapsed}");
        return result;
    }
}
