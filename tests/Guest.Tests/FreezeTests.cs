using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Host.Freeze;

namespace ChannelSdk.Guest.Tests;

/// <summary>Freezes of real file systems in a real guest, and every way in which they end.</summary>
[Collection("guest")]
public class FreezeTests(SavedGuest saved)
{
    private static CancellationToken Soon => SavedGuest.Soon;

    [Fact]
    public async Task Writes_stop_until_the_lease_ends_and_go_on_without_a_thaw()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        var events = instance.WatchAsync(Soon);

        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(6), cancellationToken: Soon);

        // The loop device's file system before the one that its file lies on; the bind mount of /x not twice.
        Assert.Equal(["/l", "/x", "/e"], report.Mounts.Select(m => m.Mount));
        Assert.All(report.Mounts, m => Assert.Equal(MountOutcome.Frozen, m.Outcome));
        await disks.StartWritersAsync();
        Assert.Equal("", await disks.WrittenAsync());
        Assert.True((await instance.Freeze.StatusAsync(Soon)).Left > TimeSpan.Zero);
        await WaitForAsync(events, StateWord.Frozen, StateWord.Ready);
        await disks.AssertWritersEndAsync();

        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.ThawAsync(cancellationToken: Soon));
        Assert.Contains("the lease of 6 s ended", error.Message);
    }

    [Fact]
    public async Task A_mount_point_whose_name_is_no_text_is_frozen_and_thawed_as_the_others()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        await disks.Console.ShAsync("umount /b; umount /x; rmdir /x; d=/$(printf 'n\\377\\376'); mkdir $d; mount -t xfs /dev/vdb $d && ln -s $d /x");

        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(100), cancellationToken: Soon);

        Assert.Equal(3, report.Mounts.Count);
        Assert.All(report.Mounts, m => Assert.Equal(MountOutcome.Frozen, m.Outcome));
        Assert.Contains(report.Mounts, m => m.Mount.StartsWith("/n", StringComparison.Ordinal));
        await disks.StartWritersAsync();
        Assert.Equal("", await disks.WrittenAsync());
        await instance.Freeze.ThawAsync(cancellationToken: Soon);
        await disks.AssertWritersEndAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_host_that_goes_away_leaves_no_guest_frozen(bool byLinkLoss)
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(byLinkLoss ? 300 : 6), linkLoss: byLinkLoss ? TimeSpan.FromSeconds(3) : null, cancellationToken: Soon);
        await disks.StartWritersAsync();
        Assert.Equal("", await disks.WrittenAsync());

        await host.DisposeAsync();

        await disks.AssertWritersEndAsync();
        var (second, after) = await disks.AttachAsync();
        await using var _ = second;
        var status = await DiskGuest.ThawedAsync(after);
        Assert.Contains(byLinkLoss ? "had no link for 3 s" : "the lease of 6 s ended", status.LastEnd);
    }

    [Fact]
    public async Task A_host_process_that_is_killed_leaves_no_guest_frozen()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var start = new System.Diagnostics.ProcessStartInfo(Path.Combine(SavedGuest.FindRoot(), "src/Tools/channelctl/bin/Release/net10.0/channelctl"),
            ["freeze", disks.Guest.ChannelUri, "--lease", "6", "--hold"])
        { RedirectStandardOutput = true, RedirectStandardInput = true };
        using (var host = System.Diagnostics.Process.Start(start)!)
        {
            string? line;
            do
            {
                line = await host.StandardOutput.ReadLineAsync(Soon);
            }
            while (line?.StartsWith("frozen", StringComparison.Ordinal) == false);
            await disks.StartWritersAsync();
            // Longer than the lease: it is renewed as long as the host lives.
            await Task.Delay(TimeSpan.FromSeconds(8));
            Assert.Equal("", await disks.WrittenAsync());
            host.Kill();
            await host.WaitForExitAsync(Soon);
        }

        await disks.AssertWritersEndAsync();
    }

    [Fact]
    public async Task A_link_that_comes_back_in_time_keeps_the_freeze_and_a_thaw_ends_it()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), linkLoss: TimeSpan.FromSeconds(20), cancellationToken: Soon);
        instance.DropLink("test");

        var renewed = await instance.Freeze.RenewAsync(TimeSpan.FromSeconds(100), Soon);
        Assert.InRange(renewed.Left, TimeSpan.FromSeconds(90), TimeSpan.FromSeconds(100));
        var report = await instance.Freeze.ThawAsync(cancellationToken: Soon);

        Assert.Equal(3, report.Mounts.Count(m => m.Outcome == MountOutcome.Thawed));
        await disks.StartWritersAsync();
        await disks.AssertWritersEndAsync();
    }

    [Fact]
    public async Task An_agent_that_is_killed_while_frozen_thaws_when_it_starts_again()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(500), cancellationToken: Soon);
        await disks.StartWritersAsync();
        Assert.Equal("", await disks.WrittenAsync());

        var events = instance.WatchAsync(Soon);
        await disks.Console.ShAsync("kill -9 $(pidof channel-agent)");

        await disks.AssertWritersEndAsync();
        await foreach (var next in events)
        {
            if (next.Kind == ChannelEventKind.SessionStarted)
            {
                break;
            }
        }

        var status = await instance.Freeze.StatusAsync(Soon);
        Assert.Equal(FreezeState.Thawed, status.State);
        Assert.Contains("the agent ended while frozen", status.LastEnd);
        Assert.EndsWith("gone", await disks.Console.ShAsync("[ -e /run/channel-agent/frozen ] || echo go''ne"));
    }

    [Fact]
    public async Task What_somebody_else_has_frozen_is_told_and_stays_as_it_is()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        await disks.Console.ShAsync("fsfreeze --freeze /e");

        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), ["/x", "/e"], cancellationToken: Soon);

        Assert.Equal(MountOutcome.AlreadyFrozen, report.Mounts.Single(m => m.Mount == "/e").Outcome);
        Assert.Equal(MountOutcome.Frozen, report.Mounts.Single(m => m.Mount == "/x").Outcome);
        await instance.Freeze.ThawAsync(cancellationToken: Soon);
        // It fails if ours has thawed it.
        await disks.Console.ShAsync("fsfreeze --unfreeze /e");
        await disks.StartWritersAsync();
        await disks.AssertWritersEndAsync();
    }

    [Fact]
    public async Task A_snapshot_taken_while_frozen_is_clean_and_needs_no_journal()
    {
        await using var disks = await DiskGuest.BootAsync(saved);
        var (host, instance) = await disks.AttachAsync();
        await using var _ = host;
        await disks.Console.ShAsync(
            "for d in e x; do (i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); cp /proc/cpuinfo /$d/f$((i%50)); mv /$d/f$((i%50)) /$d/g$((i%7)); done) >/dev/null 2>&1 & done; usleep 500000");

        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), ["/e", "/x"], cancellationToken: Soon);
        var ext4 = await DiskGuest.SnapshotAsync(disks.Ext4);
        var xfs = await DiskGuest.SnapshotAsync(disks.Xfs);
        // Throws if the lease had ended before: then the copies would prove nothing.
        await instance.Freeze.ThawAsync(cancellationToken: Soon);
        await disks.Console.ShAsync("touch /tmp/stop");

        Assert.DoesNotContain("needs_recovery", await DiskGuest.RunAsync("dumpe2fs", "-h", ext4));
        Assert.DoesNotContain("recover", await DiskGuest.RunAsync("fsck.ext4", "-fn", ext4));
        // A frozen XFS has its free-block count in the log only, by design; nothing else may differ, and what the check
        // would repair begins with "would".
        Assert.DoesNotContain("would", await DiskGuest.RunAsync("sh", "-c", $"xfs_repair -n {xfs} 2>&1 || [ $? = 1 ]"));

        await using (var second = await saved.BootAsync(DiskGuest.Drives(ext4, xfs)))
        {
            await using var console = await GuestConsole.ConnectAsync(second.ConsoleSocket);
            await console.WaitForAsync("GUEST-READY");
            Assert.EndsWith("mounted 0", await console.ShAsync(
                DiskGuest.LoadModules + "mkdir /e /x; mount -t ext4 /dev/vda /e && mount -t xfs /dev/vdb /x && umount /e /x && " +
                "echo mounted $(dmesg | grep EXT4 | grep -c recover)"));
        }

        await DiskGuest.RunAsync("xfs_repair", "-n", xfs);
    }

    private static async Task WaitForAsync(IAsyncEnumerable<ChannelEvent> events, params StateWord[] words)
    {
        var next = 0;
        await foreach (var e in events)
        {
            if (e.Heartbeat?.State == words[next] && ++next == words.Length)
            {
                return;
            }
        }

        Assert.Fail($"the events ended before {words[next]}");
    }
}
