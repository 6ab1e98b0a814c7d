using System.Globalization;
using ChannelSdk.Host;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>A program that draws random numbers each millisecond in a guest, in a control group of its own.</summary>
internal static class Sampler
{
    private const string Samples = "/tmp/samples";
    private const string Group = "/sys/fs/cgroup/draw";

    /// <summary>Boots a guest that the gate can stop, in which it runs.</summary>
    public static async Task<Instance> BootAsync(SnapshotMachine machine)
    {
        var guest = await machine.BootAsync("vm1");
        var program = await GuestProgram.InstallAsync(guest, machine.At("."), "tests/Guest.Tests/c/sample.c");
        await machine.SeparateAsync("vm1");
        await using var console = await GuestConsole.ConnectAsync(machine.Of("vm1").ConsoleSocket!);
        await console.ShAsync($"mkdir {Group}; {program} {Samples} & echo $! > {Group}/cgroup.procs; sleep 1");
        return guest;
    }

    /// <summary>Stops it, and not by the agent, which thus knows nothing of a snapshot; what was drawn before is known then.</summary>
    public static Task StopAsync(Instance guest) => SnapshotMachine.ShAsync(guest, $"echo 1 > {Group}/cgroup.freeze; until grep -q 'frozen 1' {Group}/cgroup.events; do :; done");

    /// <summary>Lets it go on.</summary>
    public static Task GoOnAsync(Instance guest) => SnapshotMachine.ShAsync(guest, $"echo 0 > {Group}/cgroup.freeze");

    /// <summary>Forgets what was drawn.</summary>
    public static Task ClearAsync(Instance guest) => SnapshotMachine.ShAsync(guest, $": > {Samples}; sleep 1");

    /// <summary>All that was drawn: a line with the time and the number for each.</summary>
    public static async Task<string[]> ReadAsync(Instance guest) => (await SnapshotMachine.ShAsync(guest, $"cat {Samples}")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The numbers of lines.</summary>
    public static IEnumerable<string> Values(IEnumerable<string> lines) => lines.Select(static line => line[17..]);

    /// <summary>What was drawn before the gate shut, and what when it was open again: between the two the clock was set, by more than a guest ever stops for.</summary>
    public static (string[] Before, string[] After) AtGap(string[] lines)
    {
        var times = lines.Select(static line => long.Parse(line.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)).ToList();
        var at = Enumerable.Range(1, times.Count - 1).MaxBy(i => times[i] - times[i - 1]);
        return (lines[..at], lines[at..]);
    }
}
