using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Snapshots;

/// <summary>What is prepared for a snapshot of a guest that goes on.</summary>
public sealed class SnapshotServiceTests : IDisposable
{
    private readonly FreezeRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task The_gate_is_shut_behind_the_hooks_and_before_the_file_systems_and_opens_the_other_way_round()
    {
        _rig.OnHooks = () => _rig.Platform.Done.Enqueue("hooks");

        var prepared = await PrepareAsync();

        Assert.Equal(("", SnapshotState.Prepared), (prepared.Failure, prepared.State));
        Assert.Equal(["inhibitors", "hooks", "gate", "file systems"], prepared.Steps.Select(static step => step.Name));
        Assert.Equal([StepOutcome.Skipped, StepOutcome.Done, StepOutcome.Done, StepOutcome.Done], prepared.Steps.Select(static step => step.Outcome));
        Assert.Equal(["hooks", "stop", "stop", "stop", "stop", "freeze", "freeze"], Verbs());
        Assert.InRange(prepared.LeftMs, 1UL, 60_000UL);
        Assert.True(_rig.Marker.Exists);

        var ended = await GoOnAsync();

        Assert.Equal(["thaw", "thaw", "go", "go", "go", "go"], Verbs().Skip(7));
        Assert.Equal((SnapshotState.Idle, "", 0UL), (ended.State, ended.Failure, ended.LeftMs));
        Assert.Contains("the guest goes on", ended.LastEnd, StringComparison.Ordinal);
        Assert.Equal(["file systems", "gate", "hooks"], ended.Steps.Select(static step => step.Name));
        Assert.False(_rig.Marker.Exists);
        Assert.Null(_rig.Service.Restriction);
    }

    [Fact]
    public async Task The_state_word_is_frozen_with_the_end_of_the_lease_and_other_calls_wait()
    {
        await PrepareAsync();

        Assert.NotNull((await _rig.UntilAsync(StateWord.Frozen)).Until);
        Assert.Contains("snapshot", _rig.Service.Restriction, StringComparison.Ordinal);
        await GoOnAsync();
        await _rig.UntilAsync(StateWord.Ready);
    }

    [Fact]
    public async Task Memory_alone_is_prepared_without_a_freeze_of_file_systems()
    {
        var prepared = await PrepareAsync(freeze: false, gate: false);

        Assert.Equal((SnapshotState.Prepared, ""), (prepared.State, prepared.Failure));
        Assert.Empty(_rig.Platform.Done);
        Assert.NotNull(_rig.Service.Restriction);
        Assert.Equal(SnapshotState.Idle, (await GoOnAsync()).State);
    }

    [Fact]
    public async Task What_is_prepared_cannot_be_prepared_or_frozen_again()
    {
        await PrepareAsync();

        await FailsAsync(ChannelError.FailedPrecondition, () => PrepareAsync());
        await FailsAsync(ChannelError.FailedPrecondition, () => _rig.FreezeAsync());
        Assert.Equal(SnapshotState.Prepared, _rig.Snapshot.Status().State);
    }

    [Fact]
    public async Task What_is_not_prepared_cannot_be_completed_renewed_or_ended_twice()
    {
        await FailsAsync(ChannelError.FailedPrecondition, GoOnAsync);
        await FailsAsync(ChannelError.FailedPrecondition, () => Task.FromResult(_rig.Snapshot.Renew(new SnapshotRenewRequest { LeaseMs = 5000 })));
        await _rig.FreezeAsync();
        await FailsAsync(ChannelError.FailedPrecondition, GoOnAsync);
        await _rig.Service.ThawAsync(new ThawRequest());
        await PrepareAsync();
        await GoOnAsync();
        Assert.Contains("the guest goes on", (await FailsAsync(ChannelError.FailedPrecondition, GoOnAsync)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SnapshotKind.Unspecified, true, "", 60_000u)]
    [InlineData((SnapshotKind)3, true, "", 60_000u)]
    [InlineData(SnapshotKind.Memory, false, "/data", 60_000u)]
    [InlineData(SnapshotKind.Memory, true, "", 999u)]
    [InlineData(SnapshotKind.Memory, true, "", 600_001u)]
    public async Task A_request_that_is_not_allowed_does_nothing(SnapshotKind kind, bool freeze, string mount, uint lease)
    {
        var request = new PrepareRequest { Kind = kind, Freeze = freeze, LeaseMs = lease };
        request.Mounts.AddRange(mount.Length > 0 ? [mount] : []);

        await FailsAsync(ChannelError.InvalidArgument, () => _rig.Snapshot.PrepareAsync(request).AsTask());

        Assert.Equal(SnapshotState.Idle, _rig.Snapshot.Status().State);
        Assert.Empty(_rig.Platform.Done);
    }

    [Fact]
    public async Task An_image_can_refuse_the_gate_and_nothing_else()
    {
        _rig.MayGate = false;

        await FailsAsync(ChannelError.PermissionDenied, () => PrepareAsync());
        Assert.Equal(SnapshotState.Prepared, (await PrepareAsync(gate: false)).State);
    }

    [Fact]
    public async Task A_gate_that_is_refused_leaves_nothing_frozen_and_says_why()
    {
        _rig.GatePlatform.Groups["/"] = [77];

        var report = await PrepareAsync();

        Assert.Contains("77 (process)", report.Failure, StringComparison.Ordinal);
        Assert.Equal((SnapshotState.Idle, StepOutcome.Failed), (report.State, report.Steps[^1].Outcome));
        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_group_that_does_not_stand_still_leaves_nothing_frozen()
    {
        _rig.GatePlatform.Stuck["/user.slice"] = true;

        Assert.Contains("/user.slice does not stand still", (await PrepareAsync()).Failure, StringComparison.Ordinal);

        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_file_system_that_cannot_be_frozen_opens_the_gate_again()
    {
        _rig.Platform.FreezeErrors["/"] = 5;

        Assert.Contains("EIO", (await PrepareAsync()).Failure, StringComparison.Ordinal);

        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_preparation_that_is_completed_while_it_is_made_leaves_nothing_frozen()
    {
        Task<SnapshotReport>? completed = null;
        _rig.Platform.OnFreeze = _ => completed ??= GoOnAsync();

        var report = await PrepareAsync();

        Assert.Contains("the guest goes on", report.Failure, StringComparison.Ordinal);
        Assert.Equal(SnapshotState.Idle, (await completed!).State);
        AssertNothingFrozen();
    }

    [Fact]
    public async Task The_gate_opens_when_the_lease_ends()
    {
        await PrepareAsync();

        _rig.Time.Advance(TimeSpan.FromSeconds(60));
        await _rig.UntilAsync(StateWord.Ready);

        AssertNothingFrozen();
        Assert.Contains("lease", (await FailsAsync(ChannelError.FailedPrecondition, GoOnAsync)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_gate_opens_when_its_owner_has_no_link()
    {
        await PrepareAsync(linkLoss: 5000);

        _rig.Session = null;
        await _rig.AdvanceUntilReadyAsync(TimeSpan.FromSeconds(6));

        AssertNothingFrozen();
        Assert.Contains("no link", _rig.Snapshot.Status().LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lease_is_renewed()
    {
        await PrepareAsync();
        _rig.Time.Advance(TimeSpan.FromSeconds(50));

        var report = _rig.Snapshot.Renew(new SnapshotRenewRequest { LeaseMs = 60_000 });

        Assert.Equal(60_000UL, report.LeftMs);
        _rig.Time.Advance(TimeSpan.FromSeconds(50));
        Assert.Equal(SnapshotState.Prepared, _rig.Snapshot.Status().State);
    }

    [Fact]
    public async Task A_thaw_by_the_host_ends_what_is_prepared()
    {
        await PrepareAsync();
        await _rig.Service.ThawAsync(new ThawRequest());
        AssertNothingFrozen();
    }

    [Fact]
    public async Task The_clock_of_a_guest_that_goes_on_is_set_before_its_programs_run()
    {
        await PrepareAsync(freeze: false);

        var report = await _rig.Snapshot.CompleteAsync(new CompleteRequest { Origin = SnapshotOrigin.Migrated, UnixNs = 1_900_000_000_000_000_000 });

        Assert.Equal("clock", report.Steps[0].Name);
        Assert.Equal(["clock", "go"], Verbs().Skip(4).Take(2));
        Assert.Contains("migrated", report.LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_successor_opens_the_gate_that_a_killed_agent_left_shut()
    {
        await PrepareAsync();
        var gate = new GuestAgent.Gate.ProcessGate(_rig.GatePlatform);

        Assert.Equal(TimeSpan.Zero, GuestAgent.Freeze.FreezeRecovery.Run(_rig.Marker, _rig.Platform, gate, static () => false, _rig.Log));

        Assert.Empty(_rig.GatePlatform.Asked);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.Empty(_rig.Marker.Read().Groups);
    }

    private void AssertNothingFrozen()
    {
        Assert.Empty(_rig.GatePlatform.Asked);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.False(_rig.Marker.Exists);
        Assert.False(_rig.Platform.IsMemoryLocked);
        Assert.Null(_rig.Service.Restriction);
    }

    private Task<SnapshotReport> PrepareAsync(bool freeze = true, bool gate = true, uint linkLoss = 0) => _rig.Snapshot.PrepareAsync(
        new PrepareRequest { Kind = SnapshotKind.Memory, Gate = gate, Freeze = freeze, LeaseMs = 60_000, LinkLossMs = linkLoss }).AsTask().WaitAsync(_rig.Timeout.Token);

    private Task<SnapshotReport> GoOnAsync() =>
        _rig.Snapshot.CompleteAsync(new CompleteRequest { Origin = SnapshotOrigin.GoesOn }).AsTask().WaitAsync(_rig.Timeout.Token);

    private IEnumerable<string> Verbs() => _rig.Platform.Done.Select(static line => line.Split(' ')[0]);

    private static async Task<ChannelException> FailsAsync<T>(ChannelError code, Func<Task<T>> call)
    {
        var e = await Assert.ThrowsAsync<ChannelException>(async () => await call());
        Assert.Equal(code, e.Code);
        return e;
    }
}
