using System.Globalization;
using System.Text.Json;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Programs from before a snapshot that look at the generation, or wait for another one, in guests that are restored from it again and again.</summary>
[Collection("copies")]
public sealed class GenerationTests : SnapshotMachineTests
{
    private const int Restores = 10;
    private const string First = "0000000000000000";

    [Fact]
    public async Task A_program_that_looks_before_each_use_uses_nothing_of_before_and_those_that_wait_are_woken()
    {
        var guest = await Machine.BootAsync("vm1");
        var use = await GuestProgram.InstallAsync(guest, Machine.At("."), "tests/Guest.Tests/c/use.c");
        var wait = await GuestProgram.InstallAsync(guest, Machine.At("."), "examples/generation/generation.c");
        await Machine.SeparateAsync("vm1");
        await using (var console = await GuestConsole.ConnectAsync(Machine.Of("vm1").ConsoleSocket!))
        {
            await console.ShAsync($"{use} /tmp/used & {wait} > /tmp/printed & channel-agent generation --wait {First}{First} > /tmp/waited & sleep 1");
        }

        var folder = new SnapshotFolder(Machine.At("s1"));
        await Machine.CreateAsync("vm1", folder, Machine.Disk, static _ => { });
        await Machine.EndAsync("vm1");
        string[]? before = null;
        HashSet<string> ids = [];
        for (var i = 0; i < Restores; i++)
        {
            var (copy, report) = await Machine.RestoreAsync("vm1", folder, new SnapshotCompletion { Origin = SnapshotOrigin.Restored });
            Assert.True(report.IsGated, string.Join(' ', report.Steps));
            var lines = await UsedAsync(copy);
            var number = await NumberAsync(copy);
            Assert.Equal((report.Generation!.Value.ToString("N"), number), (await SnapshotMachine.ShAsync(copy, "cat /tmp/waited"), await SnapshotMachine.ShAsync(copy, "cat /tmp/printed")));
            // What has the first generation is of before the snapshot, of which all have one history; what has another one, the present one.
            var old = lines.TakeWhile(static line => line.Generation == First).ToArray();
            var fresh = lines[old.Length..];
            Assert.Equal(before ??= [.. old.Select(static line => line.Text)], old.Select(static line => line.Text));
            Assert.All(fresh, line => Assert.Equal(number, line.Generation));
            Assert.Single(fresh.Select(static line => line.Id).Distinct());
            Assert.True(ids.Add(fresh[0].Id) && fresh[0].Id != old[0].Id, fresh[0].Id);
            await Machine.EndAsync("vm1");
        }

        Assert.NotEmpty(before!);
    }

    /// <summary>What was used until there was a use behind the snapshot, and some more.</summary>
    private static async Task<Use[]> UsedAsync(Instance guest)
    {
        await SnapshotMachine.ShAsync(guest, $"until [ $(grep -cv ' {First} ' /tmp/used) -ge 20 ] && [ -s /tmp/waited ] && [ -s /tmp/printed ]; do usleep 20000; done");
        return [.. (await SnapshotMachine.ShAsync(guest, "cat /tmp/used")).Split('\n').Select(static line => new Use(line, line[17..33], line[34..]))];
    }

    /// <summary>The number of the present generation, as the page has it.</summary>
    private static async Task<string> NumberAsync(Instance guest)
    {
        using var json = JsonDocument.Parse(await SnapshotMachine.ShAsync(guest, "channel-agent generation --json"));
        return json.RootElement.GetProperty("vm_generation_counter").GetUInt64().ToString("x16", CultureInfo.InvariantCulture);
    }

    private sealed record Use(string Text, string Generation, string Id);
}
