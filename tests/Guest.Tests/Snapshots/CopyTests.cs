using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>What copies of a running guest have in common, with and without the gate and the repair.</summary>
[Collection("guest")]
public sealed class CopyTests(SavedGuest saved, ITestOutputHelper output) : SnapshotMachineTests(saved)
{
    private const string Samples = "/tmp/samples";
    private static readonly TimeSpan s_drawing = TimeSpan.FromSeconds(1.5);

    [Fact]
    public async Task Copies_that_are_not_repaired_draw_the_same_random_numbers()
    {
        var guest = await BootSamplerAsync();
        // Not by the agent, so that it knows nothing of the snapshot; thus it is known which values were drawn before.
        await SnapshotMachine.ShAsync(guest, "echo 1 > /sys/fs/cgroup/draw/cgroup.freeze; until grep -q 'frozen 1' /sys/fs/cgroup/draw/cgroup.events; do :; done");
        var before = (await ReadAsync(guest)).Length;
        await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        List<string[]> drawn = [];
        foreach (var name in (string[])["c1", "c2"])
        {
            await Machine.StartAsync(name, Machine.Memory, Machine.Disk);
            var copy = await Machine.AttachAsync(name);
            await SnapshotMachine.ShAsync(copy, "echo 0 > /sys/fs/cgroup/draw/cgroup.freeze");
            await Task.Delay(s_drawing);
            drawn.Add((await ReadAsync(copy))[before..]);
            await Machine.EndAsync(name);
        }

        var equal = Values(drawn[0]).Intersect(Values(drawn[1])).Count();
        output.WriteLine($"{equal} of {drawn[0].Length} and {drawn[1].Length} values are equal");
        Assert.InRange(equal, 50, int.MaxValue);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(8)]
    public async Task Copies_that_are_gated_and_repaired_have_no_random_number_in_common(int copies)
    {
        await BootSamplerAsync();
        var folder = new SnapshotFolder(Machine.At("s1"));
        await Machine.CreateAsync("vm1", folder, Machine.Disk, static _ => { });
        await Machine.EndAsync("vm1");
        List<(string[] Before, string[] After)> drawn = [];
        List<double> times = [];
        for (var i = 0; i < copies; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var (copy, report) = await Machine.RestoreAsync($"c{i}", folder, new SnapshotCompletion { Origin = SnapshotOrigin.Cloned, Identity = new SnapshotIdentity { HostName = $"c{i}" } });
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Assert.True(report.IsGated, string.Join(' ', report.Steps));
            Assert.Equal($"c{i}", await SnapshotMachine.ShAsync(copy, "hostname"));
            await Task.Delay(s_drawing);
            drawn.Add(AtGap(await ReadAsync(copy)));
            await Machine.EndAsync($"c{i}");
        }

        output.WriteLine($"to ready: {string.Join(' ', times.Select(static t => t.ToString("0.000", CultureInfo.InvariantCulture)))} s; {string.Join(' ', drawn.Select(static d => d.After.Length))} values behind the gate");
        Assert.All(drawn, one =>
        {
            // They are copies: until the gate shut there is one history.
            Assert.Equal(drawn[0].Before, one.Before);
            Assert.InRange(one.After.Length, 100, int.MaxValue);
        });
        var all = drawn.SelectMany(static d => Values(d.After)).ToList();
        Assert.Equal(all.Count, all.Distinct().Count());
    }

    [Fact]
    public async Task A_guest_that_is_restored_again_and_again_under_calls_is_ready_each_time()
    {
        await Machine.BootAsync("vm1");
        await Machine.SeparateAsync("vm1");
        var folder = new SnapshotFolder(Machine.At("s1"));
        await Machine.CreateAsync("vm1", folder, Machine.Disk, static _ => { });
        await Machine.EndAsync("vm1");
        List<double> times = [];
        HashSet<Guid?> generations = [];
        for (var i = 0; i < 30; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var (copy, report) = await Machine.RestoreAsync("vm1", folder, new SnapshotCompletion { Origin = SnapshotOrigin.Restored });
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Assert.True(generations.Add(report.Generation));
            // As many as a session lets a host have open at once.
            await Task.WhenAll(Enumerable.Range(0, 64).Select(i => i < 16 ? copy.Info.PingAsync(SavedGuest.Soon) : (Task)copy.Files.StatAsync("/tmp", SavedGuest.Soon)));
            Assert.Equal(SnapshotState.Idle, (await copy.Snapshot.StatusAsync(SavedGuest.Soon)).State);
            await Machine.EndAsync("vm1");
        }

        output.WriteLine($"to ready: p50 {times.Order().ElementAt(15):0.000} s, {times.Min():0.000} to {times.Max():0.000} s");
        Assert.InRange(times.Order().ElementAt(15), 0, 10);
    }

    private async Task<Instance> BootSamplerAsync()
    {
        var program = Machine.At("sample");
        await DiskGuest.RunAsync("gcc", "-O2", "-static", "-nostdlib", "-fno-stack-protector", "-o", program, Path.Combine(SavedGuest.FindRoot(), "tests/Guest.Tests/c/sample.c"));
        var guest = await Machine.BootAsync("vm1");
        await guest.Files.CopyInAsync(program, "/tmp/sample", cancellationToken: SavedGuest.Soon);
        await Machine.SeparateAsync("vm1");
        await using var console = await GuestConsole.ConnectAsync(Machine.Of("vm1").ConsoleSocket!);
        await console.ShAsync($"chmod 755 /tmp/sample; mkdir /sys/fs/cgroup/draw; /tmp/sample {Samples} & echo $! > /sys/fs/cgroup/draw/cgroup.procs; sleep 1");
        return guest;
    }

    private static async Task<string[]> ReadAsync(Instance guest) => (await SnapshotMachine.ShAsync(guest, $"cat {Samples}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string> Values(IEnumerable<string> lines) => lines.Select(static line => line[17..]);

    /// <summary>What was drawn before the gate shut, and what when it was open again: nothing was drawn for longest meanwhile.</summary>
    private static (string[] Before, string[] After) AtGap(string[] lines)
    {
        var times = lines.Select(static line => long.Parse(line.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)).ToList();
        var at = Enumerable.Range(1, times.Count - 1).MaxBy(i => times[i] - times[i - 1]);
        return (lines[..at], lines[at..]);
    }
}
