using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Machines that are saved while they run, and others that start from their memory.</summary>
[Collection("copies")]
public sealed class SnapshotTests(ITestOutputHelper output) : SnapshotMachineTests
{
    [Fact]
    public async Task Eight_machines_share_one_memory_and_write_to_disks_of_their_own_while_the_first_goes_on()
    {
        var first = await Machine.BootAsync("vm1");
        await SnapshotMachine.ShAsync(first, "echo common > /tmp/file; echo before | dd of=/dev/vda conv=fsync 2>/dev/null");
        var session = first.Channel.Status.SessionId;
        var overlay = await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        Assert.Equal(["devices", "memory"], Directory.EnumerateFiles(Machine.Memory).Select(Path.GetFileName).Order());
        Assert.All(Directory.EnumerateFiles(Machine.Memory), static file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        var before = await HashAsync(Machine.Disk.Path);
        await SnapshotMachine.ShAsync(first, "echo onward | dd of=/dev/vda conv=fsync 2>/dev/null");
        // The session of the machine that goes on does, too.
        Assert.Equal(session, first.Channel.Status.SessionId);

        List<double> times = [];
        for (var i = 0; i < 8; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await Machine.StartAsync($"c{i}", Machine.Memory, Machine.Disk);
            var clone = await Machine.AttachAsync($"c{i}");
            await clone.Info.PingAsync(SavedGuest.Soon);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Assert.NotEqual(session, clone.Channel.Status.SessionId);
            // In the kernel's cache is what was written before: the disk itself is asked.
            Assert.Equal("common before", await SnapshotMachine.ShAsync(clone, $"echo $(cat /tmp/file) $(dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1); echo clone-{i} | dd of=/dev/vda conv=fsync 2>/dev/null"));
        }

        output.WriteLine($"from the start to an answer: p50 {Median(times):0.000} s, all {string.Join(' ', times.Select(static t => t.ToString("0.000", CultureInfo.InvariantCulture)))}");
        for (var i = 0; i < 8; i++)
        {
            var (shared, own) = MemoryOf(Machine.Of($"c{i}").Process.Id);
            output.WriteLine($"c{i}: {shared} KiB of the memory shared, {own} KiB its own");
            Assert.InRange(own, 1, SnapshotMachine.MemoryMiB * 1024 / 4);
            Assert.True(shared > own);
            await Machine.EndAsync($"c{i}");
            Assert.StartsWith($"clone-{i}\n", await FirstBytesAsync(Path.GetFileName(Directory.EnumerateFiles(Machine.At("."), $"c{i}-*.qcow2").Single())));
        }

        Assert.Equal(before, await HashAsync(Machine.Disk.Path));
        Assert.Equal("onward", await SnapshotMachine.ShAsync(first, "dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1"));
        await Machine.EndAsync("vm1");
        Assert.StartsWith("onward\n", await FirstBytesAsync(Path.GetFileName(overlay.Path)));
    }

    [Fact]
    public async Task A_snapshot_is_taken_of_a_machine_that_started_from_one()
    {
        var first = await Machine.BootAsync("vm1");
        await SnapshotMachine.ShAsync(first, "echo 1 | dd of=/dev/vda conv=fsync 2>/dev/null");
        await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        await Machine.StartAsync("vm2", Machine.Memory, Machine.Disk);
        var second = await Machine.AttachAsync("vm2");
        await SnapshotMachine.ShAsync(second, "echo later > /tmp/file; echo 2 | dd of=/dev/vda conv=fsync 2>/dev/null");
        var disk = new TargetDisk(Directory.EnumerateFiles(Machine.At("."), "vm2-*.qcow2").Single(), "qcow2");
        Directory.CreateDirectory(Machine.At("second"));
        await Machine.SaveAsync("vm2", Machine.At("second"), disk);
        // What it started from is not needed any more.
        Directory.Delete(Machine.Memory, recursive: true);
        await Machine.EndAsync("vm2");
        await Machine.StartAsync("vm3", Machine.At("second"), disk);
        Assert.Equal("later 2", await SnapshotMachine.ShAsync(await Machine.AttachAsync("vm3"), "echo $(cat /tmp/file) $(dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1)"));
    }

    [Fact]
    public async Task A_machine_that_would_not_be_like_the_saved_one_is_refused_with_what_differs()
    {
        await Machine.BootAsync("vm1");
        await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        var overlay = await Machine.Snapshots.OverlayAsync(Machine.Disk, Machine.At("o.qcow2"), SavedGuest.Soon);
        var request = Machine.Request("vm2", overlay);
        async Task<string> RefusedAsync(MachineRequest wrong, IReadOnlyDictionary<string, string>? saved = null)
        {
            var error = await Assert.ThrowsAsync<ChannelException>(() => Machine.Snapshots.StartAsync(wrong, Machine.Memory, saved ?? Machine.Saved, SavedGuest.Soon));
            Assert.Equal(ChannelError.FailedPrecondition, error.Code);
            return error.Message;
        }

        Assert.Contains("its memory is '160 MiB', and of the snapshot '128 MiB'", await RefusedAsync(request with { Hardware = request.Hardware with { MemoryMiB = 160 } }));
        Assert.Contains("its processors is '2', and of the snapshot '1'", await RefusedAsync(request with { Hardware = request.Hardware with { Cpus = 2 } }));
        Assert.Contains("its devices is", await RefusedAsync(request with { Disks = [overlay, overlay] }));
        Assert.Contains("its channel is 'none'", await RefusedAsync(request with { HasChannel = false }));
        Assert.Contains("and of the snapshot '1.0.0'", await RefusedAsync(request, new Dictionary<string, string>(Machine.Saved) { ["QEMU"] = "1.0.0" }));
        using (var memory = File.OpenWrite(Path.Combine(Machine.Memory, "memory")))
        {
            memory.SetLength(1 << 20);
        }

        Assert.Contains("is not 128 MiB of memory", await RefusedAsync(request));
    }

    [Fact]
    public async Task A_machine_that_cannot_be_saved_goes_on_and_keeps_its_disk()
    {
        var first = await Machine.BootAsync("vm1");
        List<string> disks = [];
        var save = new MachineSave
        {
            Machine = Machine.Request("vm1", Machine.Disk),
            Folder = Machine.Memory,
            Overlays = [Machine.At("no/such/folder.qcow2")],
            OnDisks = now => disks.Add(now[0].Path),
        };
        await Assert.ThrowsAsync<ChannelException>(() => Machine.Snapshots.SaveAsync(Machine.Of("vm1"), save, SavedGuest.Soon));
        Assert.Equal([Machine.Disk.Path], disks);
        await SnapshotMachine.ShAsync(first, "echo onward | dd of=/dev/vda conv=fsync 2>/dev/null");
        // Its disks are cut by then: it goes on with the overlay, and that is known.
        disks.Clear();
        await Assert.ThrowsAsync<InvalidOperationException>(() => Machine.Snapshots.SaveAsync(
            Machine.Of("vm1"), save with { Overlays = [Machine.At("cut.qcow2")], WhileStopped = static _ => throw new InvalidOperationException("no") }, SavedGuest.Soon));
        Assert.Equal([Machine.At("cut.qcow2")], disks);
        Assert.Equal("onward", await SnapshotMachine.ShAsync(first, "dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1"));
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private async Task<string> FirstBytesAsync(string image)
    {
        await DiskGuest.RunAsync("qemu-img", "convert", "-O", "raw", Machine.At(image), Machine.At("raw"));
        using var file = File.OpenText(Machine.At("raw"));
        return $"{await file.ReadLineAsync()}\n";
    }

    private static async Task<string> HashAsync(string path) => Convert.ToHexString(await SHA256.HashDataAsync(File.OpenRead(path)));

    /// <summary>KiB of the guest's memory that a QEMU has in common with others, or with the file, and for itself (proc(5), smaps).</summary>
    private static (long Shared, long Own) MemoryOf(int process)
    {
        var lines = File.ReadLines($"/proc/{process}/smaps").SkipWhile(static line => !line.EndsWith("/memory/memory", StringComparison.Ordinal)).Take(24).ToList();
        long Of(string name) => long.Parse(lines.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        return (Of("Shared_Clean:") + Of("Shared_Dirty:") + Of("Private_Clean:"), Of("Private_Dirty:"));
    }
}
