using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>What is told of an appliance that came to a bad end, and how soon.</summary>
[Collection("appliance")]
public class InstallEndTests(Appliance appliance, ITestOutputHelper output)
{
    private const string Begin = "#!/bin/sh\nPATH=$PATH:/bin:/sbin\n";
    // Its end is known to both halves, and so to the host, before the appliance goes on.
    private const string Barrier = "channel-agent barrier about-to-end\n";
    private const string BarrierOnHost = "#!/bin/sh\nchannelctl half barrier about-to-end\n";
    private const string Ended = "the appliance ended before its work was done: it was reset from inside";
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 1000", Ended + " (Kernel panic - not syncing: sysrq triggered crash)")]
    [InlineData("reboot -f; sleep 1000", Ended)]
    [InlineData("poweroff -f; sleep 1000", "the appliance ended before its work was done: it switched itself off")]
    public async Task A_panic_a_reset_and_a_poweroff_are_told_as_what_they_are(string script, string reason)
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", $"{Begin}echo from the script >/dev/ttyS0\n{Barrier}{script}\n");
        rig.Write("create", BarrierOnHost);
        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal((InstallOutcome.Failed, reason), (result.Outcome, result.Reason));
        AssertSoon(events);
        Assert.Contains("console| from the script", await File.ReadAllTextAsync(result.LogFile));
        InstallKillTests.AssertNothingIsLeft(rig, Path.GetDirectoryName(result.LogFile)!);
    }

    [Fact]
    public async Task A_script_without_memory_is_told_of_with_the_kernels_words()
    {
        using var rig = new InstallRig(appliance);
        // More than there is, but not so much that the kernel refuses it at once.
        rig.Write("untrusted/create", Begin + Barrier + "echo 1 >/proc/sys/vm/overcommit_memory\nexec dd if=/dev/zero of=/dev/null bs=1G count=1\n");
        rig.Write("create", BarrierOnHost);
        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.StartsWith("the half in the appliance failed (ended by signal 9, Out of memory: Killed process ", result.Reason);
        Assert.Contains("(dd))", result.Reason);
        AssertSoon(events);
    }

    [Fact]
    public async Task A_full_file_system_below_a_disk_ends_the_operation_at_once_and_the_disk_is_named()
    {
        using var rig = new InstallRig(appliance);
        var place = rig.At("small");
        Directory.CreateDirectory(place);
        await DiskGuest.RunAsync("mount", "-t", "tmpfs", "-o", "size=4m", "none", place);
        try
        {
            // A script that waits for ever for a write that does not come to its end.
            rig.Write("untrusted/create", Begin + Barrier + "dd if=/dev/zero of=$DISK_0_PATH bs=1M count=16 conv=fsync\nsleep 1000\n");
            rig.Write("create", BarrierOnHost);
            var disk = rig.NewDisk("small/disk.img");
            var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = [disk] });
            AssertSoon(events);
            Assert.Equal((InstallOutcome.Failed,
                $"the appliance ended before its work was done: QEMU stopped it, as its disk {disk.Path} cannot be used: No space left on device; make room in the file system that it lies in"),
                (result.Outcome, result.Reason));
            InstallKillTests.AssertNothingIsLeft(rig, Path.GetDirectoryName(result.LogFile)!);
        }
        finally
        {
            await DiskGuest.RunAsync("umount", "-l", place);
        }
    }

    [Fact]
    public async Task A_disk_that_another_machine_uses_and_too_many_disks_are_told_in_QEMUs_words()
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", Begin + "exit 0\n");
        var disk = rig.NewDisk("disk.img");
        await using (await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = "tcg",
            MemoryMiB = 16,
            Arguments = ["-drive", $"file={disk.Path},if=virtio,format=raw"],
        }, InstallRig.Soon))
        {
            var (used, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = [disk] });
            Assert.StartsWith("QEMU ended at once with code 1: ", used.Reason);
            Assert.Contains($"Is another process using the image [{disk.Path}]?", used.Reason);
        }

        var (many, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = [.. Enumerable.Range(0, 40).Select(i => rig.NewDisk($"{i}.img"))] });
        Assert.StartsWith("QEMU ended at once with code 1: ", many.Reason);
        Assert.Contains("addr", many.Reason);
    }

    /// <summary>The time from the barrier, behind which the script ends its appliance, to the told end.</summary>
    private void AssertSoon(IReadOnlyList<InstallEvent> events)
    {
        var time = events[^1].At - events.OfType<MessageEvent>().Last(static e => e.Barrier is not null).At;
        output.WriteLine($"told after {time.TotalSeconds:0.00} s: {((ResultEvent)events[^1]).Reason}");
        Assert.InRange(time, TimeSpan.Zero, s_bound);
    }
}
