using System.Diagnostics;
using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Google.Protobuf;
using Xunit.Abstractions;
using SnapshotOrigin = ChannelSdk.Host.Snapshots.SnapshotOrigin;
using SnapshotReport = ChannelSdk.Host.Snapshots.SnapshotReport;
using SnapshotState = ChannelSdk.Host.Snapshots.SnapshotState;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>
/// The agent is killed at each step of a snapshot, in a guest with disks whose init starts it again. What it left is thawed and opened by its successor,
/// long before the lease ends, and the host hears of it.
/// </summary>
[Collection("guest")]
public sealed class KillTests(SavedGuest saved, ITestOutputHelper output) : IAsyncLifetime
{
    private const string Thawed = "the agent ended while frozen, and the next one thawed";
    private const int Kills = 6;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cs-kill-");
    private DiskGuest _disks = null!;
    private ChannelHost _host = null!;
    private KillLine _line = null!;
    private KillRig _rig = null!;

    public async Task InitializeAsync()
    {
        var (program, port) = (Path.Combine(_folder.FullName, "arm"), Path.Combine(_folder.FullName, "port"));
        await DiskGuest.RunAsync("gcc", "-O2", "-static", "-nostdlib", "-fno-stack-protector", "-o", program, Path.Combine(SavedGuest.FindRoot(), "tests/Guest.Tests/c/arm.c"));
        _disks = await DiskGuest.BootAsync(saved, KillLine.Arguments(port));
        _line = await KillLine.ConnectAsync(port);
        (_host, var instance) = await _disks.AttachAsync();
        await instance.Files.CopyInAsync(program, "/tmp/arm", cancellationToken: SavedGuest.Soon);
        await SnapshotMachine.SeparateAsync(_disks.Console);
        await _disks.Console.ShAsync("chmod 755 /tmp/arm");
        _rig = new KillRig(instance, _disks.Console, _line, "/tmp/arm /dev/ttyS1 $p", "/e");
    }

    public async Task DisposeAsync()
    {
        output.WriteLine($"from a kill until programs ran and wrote: at most {_rig.Longest.TotalSeconds:0.000} s");
        await _host.DisposeAsync();
        _line.Dispose();
        await _disks.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task An_agent_that_is_killed_on_the_way_to_rest_or_back_leaves_nothing_at_rest_and_no_hook_undone()
    {
        await _rig.AddHookAsync("hooks.d");
        // While a hook runs.
        await _rig.ShAsync("echo freeze > /tmp/slow");
        await _rig.ArmAsync();
        Assert.NotNull((await _rig.KillAsync(() => _rig.PrepareAsync(), TimeSpan.FromSeconds(1))).Error);
        AssertThawed(await _rig.RecoverAsync());
        Assert.Equal("freeze memory thaw memory", await _rig.HooksAsync());
        await _rig.ShAsync("rm /tmp/slow");

        // With the gate shut and the file systems frozen.
        await _rig.ArmAsync();
        var start = Stopwatch.GetTimestamp();
        await _rig.PrepareAsync();
        var length = Stopwatch.GetElapsedTime(start);
        await _rig.KillAsync(static () => Task.FromResult(0), TimeSpan.FromSeconds(1));
        AssertThawed(await _rig.RecoverAsync());
        Assert.Equal("freeze memory thaw memory", await _rig.HooksAsync());

        // While the lease is renewed.
        await _rig.ArmAsync();
        await _rig.PrepareAsync();
        Assert.NotNull((await _rig.KillAsync(RenewAsync, TimeSpan.FromMilliseconds(300))).Error);
        AssertThawed(await _rig.RecoverAsync());

        // While the host ends it, and a hook runs.
        await _rig.ShAsync("echo thaw > /tmp/slow; rm /tmp/hooks");
        await _rig.ArmAsync();
        await _rig.PrepareAsync();
        Assert.Contains("it is not known whether by this call", (await _rig.KillAsync(_rig.GoOnAsync, TimeSpan.FromSeconds(1))).Error!.Message, StringComparison.Ordinal);
        AssertThawed(await _rig.RecoverAsync());
        Assert.Equal("freeze memory thaw memory thaw memory", await _rig.HooksAsync());
        Assert.Contains(Thawed, (await Assert.ThrowsAsync<ChannelException>(_rig.GoOnAsync)).Message, StringComparison.Ordinal);
        await _rig.ShAsync("rm /tmp/slow");

        // Anywhere.
        for (var i = 0; i <= Kills; i++)
        {
            await _rig.ArmAsync();
            if ((await _rig.KillAsync(() => _rig.PrepareAsync(), length * i / Kills)).Error is null)
            {
                await EndAsync();
            }

            Assert.Equal(SnapshotState.Idle, (await _rig.RecoverAsync()).State);
            await _rig.ArmAsync();
            await _rig.PrepareAsync();
            await _rig.KillAsync(_rig.GoOnAsync, length * i / Kills);
            Assert.Equal(SnapshotState.Idle, (await _rig.RecoverAsync()).State);
        }

        await _rig.PrepareAsync();
        Assert.Equal(SnapshotState.Idle, (await _rig.GoOnAsync()).State);
    }

    [Fact]
    public async Task A_repair_whose_agent_is_killed_is_done_by_the_next_one_behind_the_same_gate()
    {
        await _rig.AddHookAsync("generation.d");
        await _rig.ShAsync("echo restored > /tmp/slow");
        var completion = new SnapshotCompletion { Origin = SnapshotOrigin.Restored };
        await _rig.ArmAsync();
        await _rig.PrepareAsync();
        var (report, error) = await _rig.KillAsync(() => _rig.CompleteAsync(completion), TimeSpan.FromSeconds(1));
        Assert.Null(error);
        Assert.Equal((SnapshotState.Idle, completion.Generation, true), (report!.State, report.Generation, report.IsGated));
        Assert.Equal(completion.Generation, (await _rig.RecoverAsync()).Generation);
        Assert.Equal($"restored {completion.Generation:N} restored {completion.Generation:N}", await _rig.HooksAsync());

        // Without a host that says it again the gate opens when the lease ends, and the guest is no more ready than before.
        await _rig.ArmAsync();
        var lease = TimeSpan.FromSeconds(8);
        var start = Stopwatch.GetTimestamp();
        await _rig.PrepareAsync(lease);
        var request = new CompleteRequest
        {
            Origin = Protocol.Services.SnapshotOrigin.Restored,
            Generation = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)),
            Entropy = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
        };
        Assert.NotNull((await _rig.KillAsync(() => _rig.Instance.Channel.CallAsync(SnapshotMethods.Complete, request, new CallOptions(TimeSpan.FromSeconds(30)), SavedGuest.Soon).AsTask(), TimeSpan.FromSeconds(1))).Error);
        Assert.Equal(SnapshotState.Unrepaired, (await _rig.StatusAsync()).State);
        Assert.Equal(SnapshotState.Unrepaired, (await _rig.RecoverAsync()).State);
        Assert.InRange(Stopwatch.GetElapsedTime(start), lease - TimeSpan.FromSeconds(1), lease + TimeSpan.FromSeconds(3));

        // Anywhere.
        await _rig.ShAsync("rm /tmp/slow");
        await RepairAsync();
        await _rig.PrepareAsync();
        var length = await RepairAsync();
        for (var i = 0; i <= Kills; i++)
        {
            completion = new SnapshotCompletion { Origin = SnapshotOrigin.Restored };
            await _rig.ArmAsync();
            await _rig.PrepareAsync();
            (report, error) = await _rig.KillAsync(() => _rig.CompleteAsync(completion), length * i / Kills);
            Assert.Null(error);
            Assert.Equal((SnapshotState.Idle, completion.Generation), (report!.State, report.Generation));
            Assert.Equal(completion.Generation, (await _rig.RecoverAsync()).Generation);
            Assert.Equal(completion.Generation, (await _rig.CompleteAsync(completion)).Generation);
        }
    }

    /// <summary>Ends what was prepared, if the call came to the successor.</summary>
    private async Task EndAsync()
    {
        try
        {
            await _rig.GoOnAsync();
        }
        catch (ChannelException)
        {
            // It came to the agent that was killed.
        }
    }

    private async Task<TimeSpan> RepairAsync()
    {
        var start = Stopwatch.GetTimestamp();
        Assert.Equal(SnapshotState.Idle, (await _rig.CompleteAsync(new SnapshotCompletion { Origin = SnapshotOrigin.Restored })).State);
        return Stopwatch.GetElapsedTime(start);
    }

    private async Task<SnapshotReport> RenewAsync()
    {
        while (true)
        {
            await _rig.Instance.Snapshot.RenewAsync(KillRig.Lease, SavedGuest.Soon);
        }
    }

    private static void AssertThawed(SnapshotReport report)
    {
        Assert.Equal(SnapshotState.Idle, report.State);
        Assert.Contains(Thawed, report.LastEnd, StringComparison.Ordinal);
    }
}
