using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>
/// What copies of a running guest have in common, with and without the gate and the repair, and with a kernel that has a driver for its VMGenID device or
/// none. With CHANNELSDK_LONG=1 (./test --long) ten times.
/// </summary>
[Collection("copies")]
public sealed class CopyTests(ITestOutputHelper output) : SnapshotMachineTests
{
    private static readonly int s_repeats = Environment.GetEnvironmentVariable("CHANNELSDK_LONG") == "1" ? 10 : 1;
    private static readonly TimeSpan s_drawing = TimeSpan.FromSeconds(1.5);

    [Fact]
    public async Task Copies_that_are_not_repaired_draw_the_same_random_numbers()
    {
        // The kernel's generator gets new bytes each minute: of a snapshot that was taken just before, copies have little in common.
        var equal = 0;
        for (var tries = 1; tries <= 3 && equal < 50; tries++)
        {
            var drawn = await DrawAloneAsync();
            equal = Sampler.Values(drawn[0]).Intersect(Sampler.Values(drawn[1])).Count();
            output.WriteLine($"{equal} of {drawn[0].Length} and {drawn[1].Length} values are equal");
        }

        Assert.InRange(equal, 50, int.MaxValue);
    }

    [Fact]
    public async Task Copies_whose_kernel_has_the_driver_of_their_device_differ_by_themselves()
    {
        await Machine.UseGenericKernelAsync();
        var drawn = await DrawAloneAsync(static async copy =>
        {
            Assert.Contains("crng reseeded due to virtual machine fork", await SnapshotMachine.ShAsync(copy, "dmesg"));
            // The agent has noticed too, by the same line.
            await SnapshotMachine.ShAsync(copy, "until grep -q 'may be a copy: vmgenid' /tmp/agent.log; do usleep 20000; done");
        });
        var equal = Sampler.Values(drawn[0]).Intersect(Sampler.Values(drawn[1])).Count();
        output.WriteLine($"{equal} of {drawn[0].Length} and {drawn[1].Length} values are equal");
        Assert.InRange(equal, 0, 20);
        Assert.All(drawn, static one => Assert.InRange(one.Length, 100, int.MaxValue));
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(8, false)]
    [InlineData(2, true)]
    public async Task Copies_that_are_gated_and_repaired_have_no_random_number_in_common(int copies, bool hasDriver)
    {
        if (hasDriver)
        {
            await Machine.UseGenericKernelAsync();
        }

        var guest = await Sampler.BootAsync(Machine);
        var disk = Machine.Disk;
        for (var left = s_repeats; left > 0; left--)
        {
            var folder = new SnapshotFolder(Machine.At($"s{left}"));
            await Machine.CreateAsync("vm1", folder, disk, now => disk = now[0]);
            await (left == 1 ? Machine.EndAsync("vm1") : Sampler.ClearAsync(guest));
            await DrawRepairedAsync(folder, copies);
            folder.Remove();
        }
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

        times.Sort();
        output.WriteLine($"to ready: p50 {times[15]:0.000} s, p99 {times[29]:0.000} s, all {Text(times)}");
        Assert.InRange(times[15], 0, 3);
    }

    /// <summary>What two copies draw that do not know that they are copies.</summary>
    private async Task<List<string[]>> DrawAloneAsync(Func<Instance, Task>? look = null)
    {
        var guest = await Sampler.BootAsync(Machine);
        await Sampler.StopAsync(guest);
        var before = (await Sampler.ReadAsync(guest)).Length;
        await Machine.SaveAsync("vm1", Machine.Memory, Machine.Disk);
        List<string[]> drawn = [];
        foreach (var name in (string[])["c1", "c2"])
        {
            await Machine.StartAsync(name, Machine.Memory, Machine.Disk);
            var copy = await Machine.AttachAsync(name);
            await Sampler.GoOnAsync(copy);
            await Task.Delay(s_drawing);
            drawn.Add((await Sampler.ReadAsync(copy))[before..]);
            await (look?.Invoke(copy) ?? Task.CompletedTask);
            await Machine.EndAsync(name);
        }

        await Machine.EndAsync("vm1");
        return drawn;
    }

    private async Task DrawRepairedAsync(SnapshotFolder folder, int copies)
    {
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
            drawn.Add(Sampler.AtGap(await Sampler.ReadAsync(copy)));
            await Machine.EndAsync($"c{i}");
        }

        var all = drawn.SelectMany(static d => Sampler.Values(d.After)).ToList();
        output.WriteLine($"{all.Count - all.Distinct().Count()} equal of {string.Join(' ', drawn.Select(static d => d.After.Length))} values behind the gate; to ready {Text(times)}");
        Assert.All(drawn, one =>
        {
            // They are copies: until the gate shut there is one history.
            Assert.Equal(drawn[0].Before, one.Before);
            Assert.InRange(one.After.Length, 100, int.MaxValue);
        });
        Assert.Equal(all.Count, all.Distinct().Count());
    }

    private static string Text(IEnumerable<double> seconds) => $"{string.Join(' ', seconds.Select(static t => t.ToString("0.000", CultureInfo.InvariantCulture)))} s";
}
