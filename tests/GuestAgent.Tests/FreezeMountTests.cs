using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Which file systems a freeze and a recovery take.</summary>
public sealed class FreezeMountTests : IDisposable
{
    private readonly FreezeRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task A_file_system_that_cannot_freeze_is_skipped_and_the_others_are_frozen()
    {
        _rig.Platform.FreezeErrors["/"] = 95;

        var report = await _rig.FreezeAsync();

        Assert.Equal(FreezeState.Frozen, report.State);
        Assert.Equal([("/data", MountOutcome.Frozen), ("/", MountOutcome.Skipped)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
    }

    [Fact]
    public async Task A_mount_that_is_hidden_is_frozen_by_another_of_its_places()
    {
        _rig.Platform.Mounts += "\n30 20 254:16 / /d rw - xfs /dev/vdb rw";
        _rig.Platform.Hidden.Add("/d");

        await _rig.FreezeAsync();

        Assert.Contains("freeze /data", _rig.Platform.Done);
    }

    [Fact]
    public async Task A_successor_thaws_the_file_systems_of_the_marker_inner_ones_last()
    {
        await _rig.FreezeAsync();
        _rig.Platform.Frozen.Add("254:99");
        _rig.Platform.Mounts += "\n40 20 254:99 / /others rw - ext4 /dev/vdz rw";

        Assert.Equal(TimeSpan.Zero, FreezeRecovery.Run(_rig.Marker, _rig.Platform, _rig.Gate, static () => true, _rig.Log));

        Assert.Equal(["thaw /", "thaw /data"], _rig.Platform.Done.TakeLast(2));
        Assert.Equal(["254:99"], _rig.Platform.Frozen);
        Assert.Empty(_rig.Marker.Read().Devices);
        _rig.Control.Recover(TimeSpan.Zero);
        Assert.Null(FreezeRecovery.Run(_rig.Marker, _rig.Platform, _rig.Gate, static () => true, _rig.Log));
    }

    [Fact]
    public async Task Mounts_that_a_hook_removes_are_not_missed_and_new_ones_are_frozen()
    {
        _rig.OnHooks = () => _rig.Platform.Mounts = """
            20 1 254:0 / / rw - ext4 /dev/vda rw
            21 20 0:20 / /tmp rw - tmpfs tmpfs rw
            23 20 254:32 / /new rw - ext4 /dev/vdc rw
            """;

        var report = await _rig.FreezeAsync();

        Assert.Equal("", report.Failure);
        Assert.Equal(["/new", "/"], report.Mounts.Select(static m => m.Mount));
    }

    [Fact]
    public async Task A_hidden_mount_and_one_that_another_program_froze_are_reported_and_fail_nothing()
    {
        _rig.Platform.Mounts += "\n30 20 254:32 / /hidden rw - xfs /dev/vdc rw";
        _rig.Platform.Hidden.Add("/hidden");
        _rig.Platform.Frozen.Add("254:16");

        var report = await _rig.FreezeAsync();

        Assert.Equal((FreezeState.Frozen, ""), (report.State, report.Failure));
        Assert.Equal(
            [("/", MountOutcome.Frozen), ("/data", MountOutcome.AlreadyFrozen), ("/hidden", MountOutcome.Skipped)],
            report.Mounts.OrderBy(static m => m.Mount, StringComparer.Ordinal).Select(m => (m.Mount, m.Outcome)));
        await _rig.Service.ThawAsync(new ThawRequest());
        Assert.Equal(["254:16"], _rig.Platform.Frozen);
    }

    [Fact]
    public async Task By_the_QEMU_protocols_rules_unknown_mount_points_are_skipped_and_an_empty_freeze_is_no_failure()
    {
        var nothing = await _rig.Service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere" } }, ignoreUnknown: true);
        Assert.Equal((FreezeState.Thawed, ""), (nothing.State, nothing.Failure));

        var one = await _rig.Service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere", "/data" } }, ignoreUnknown: true);
        Assert.Equal(["/data"], one.Mounts.Select(static m => m.Mount));
        await _rig.Service.ThawAsync(new ThawRequest());

        Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(
            () => _rig.Service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere" } }).AsTask())).Code);
        Assert.Null(_rig.Service.Restriction);
    }
}
