using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Snapshot;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests.Snapshots;

/// <summary>When a copy is repaired, and what it answers until it is.</summary>
public sealed class SnapshotRepairTests : IDisposable
{
    private readonly FreezeRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(SnapshotOrigin.Restored)]
    [InlineData(SnapshotOrigin.Cloned)]
    public async Task A_copy_is_repaired_with_thawed_file_systems_and_a_shut_gate_and_ready_only_then(SnapshotOrigin origin)
    {
        await PrepareAsync();
        await _rig.UntilAsync(StateWord.Frozen);
        _rig.Repair.OnRun = _ =>
        {
            Assert.Empty(_rig.Platform.Frozen);
            Assert.True(_rig.Gate.IsShut);
            Assert.NotEmpty(_rig.GatePlatform.Asked);
            Assert.Contains("being repaired", _rig.Service.Restriction, StringComparison.Ordinal);
            Assert.Equal(SnapshotState.Repairing, _rig.Snapshot.Status().State);
            return "";
        };
        _rig.Repair.OnSettle = () =>
        {
            Assert.Empty(_rig.GatePlatform.Asked);
            Assert.NotNull(_rig.Service.Restriction);
        };

        var report = await CompleteAsync(1, origin);

        Assert.Equal((SnapshotState.Idle, "", true), (report.State, report.Failure, report.Gated));
        Assert.Equal(["file systems", "random", "gate", "hooks"], report.Steps.Select(static step => step.Name));
        Assert.Equal(Generation(1), report.Generation);
        Assert.Null(_rig.Service.Restriction);
        Assert.Equal([StateWord.Repairing, StateWord.Ready], await _rig.WordsAsync(StateWord.Ready));
        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_copy_that_was_not_prepared_is_repaired_as_well()
    {
        var report = await CompleteAsync(1);

        Assert.Equal((SnapshotState.Idle, false, 1), (report.State, report.Gated, _rig.Repair.Runs));
    }

    [Fact]
    public async Task A_copy_of_a_frozen_guest_is_thawed_and_repaired()
    {
        await _rig.FreezeAsync();

        Assert.False((await CompleteAsync(1)).Gated);

        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_repair_that_fails_keeps_the_gate_shut_and_calls_refused_until_the_lease_ends_and_calls_refused_after_it()
    {
        await PrepareAsync();
        _rig.Repair.OnRun = static _ => "random: refused";

        var report = await CompleteAsync(1);

        Assert.Equal((SnapshotState.Unrepaired, "random: refused", false), (report.State, report.Failure, report.Gated));
        Assert.NotEmpty(_rig.GatePlatform.Asked);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.Contains("has failed", _rig.Service.Restriction, StringComparison.Ordinal);
        await FailsAsync(ChannelError.FailedPrecondition, () => _rig.FreezeAsync());
        await FailsAsync(ChannelError.FailedPrecondition, () => PrepareAsync());
        await FailsAsync(ChannelError.FailedPrecondition, () => _rig.Service.ThawAsync(new ThawRequest()).AsTask());
        await FailsAsync(ChannelError.FailedPrecondition, () => _rig.Snapshot.CompleteAsync(new CompleteRequest { Origin = SnapshotOrigin.GoesOn }).AsTask());

        _rig.Time.Advance(TimeSpan.FromSeconds(60));
        while (_rig.GatePlatform.Asked.Any() || _rig.Marker.Exists)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }

        Assert.NotNull(_rig.Service.Restriction);
        Assert.Equal(SnapshotState.Unrepaired, _rig.Snapshot.Status().State);
        Assert.Equal("random: refused", _rig.Snapshot.Status().Failure);

        _rig.Repair.OnRun = static _ => "";
        Assert.Equal((SnapshotState.Idle, false), (await CompleteAsync(1) is var second ? second.State : default, second.Gated));
        Assert.Null(_rig.Service.Restriction);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_repair_that_has_failed_is_repeated_behind_the_same_gate(int generation)
    {
        await PrepareAsync();
        _rig.Repair.OnRun = static _ => "random: refused";
        await CompleteAsync(1);
        _rig.Snapshot.Renew(new SnapshotRenewRequest { LeaseMs = 60_000 });
        _rig.Repair.OnRun = static _ => "";

        var report = await CompleteAsync((byte)generation);

        Assert.Equal((SnapshotState.Idle, true, 2), (report.State, report.Gated, _rig.Repair.Runs));
        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_lease_that_ends_while_a_repair_hangs_opens_the_gate_and_stops_the_repair()
    {
        await PrepareAsync();
        _rig.Repair.OnRun = mustStop =>
        {
            _rig.Time.Advance(TimeSpan.FromSeconds(60));
            Assert.True(SpinWait.SpinUntil(mustStop, TimeSpan.FromSeconds(30)));
            return "stopped";
        };

        var report = await CompleteAsync(1);

        Assert.Equal((SnapshotState.Unrepaired, "stopped", false), (report.State, report.Failure, report.Gated));
        while (_rig.Marker.Exists)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }

        Assert.Empty(_rig.GatePlatform.Asked);
    }

    [Fact]
    public async Task A_repair_that_throws_leaves_the_guest_unrepaired_without_a_word_of_the_request()
    {
        _rig.Repair.OnRun = static _ => throw new InvalidOperationException("entropy");

        var report = await CompleteAsync(1);

        Assert.Equal(SnapshotState.Unrepaired, report.State);
        Assert.DoesNotContain("entropy", report.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(_rig.Lines, static line => line.Contains("entropy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_generation_that_was_repaired_gives_the_first_result_and_one_that_was_left_is_refused()
    {
        await PrepareAsync();
        var first = await CompleteAsync(1);

        var again = await CompleteAsync(1);
        Assert.Equal((1, first.Gated, "random"), (_rig.Repair.Runs, again.Gated, again.Steps.Single().Name));
        await CompleteAsync(2);
        await FailsAsync(ChannelError.FailedPrecondition, () => CompleteAsync(1));
        Assert.Equal(2, _rig.Repair.Runs);
    }

    [Fact]
    public async Task Of_two_calls_at_once_the_second_waits_for_the_first_and_gets_its_result()
    {
        await PrepareAsync();
        using var go = new ManualResetEventSlim();
        _rig.Repair.OnRun = _ =>
        {
            go.Wait(_rig.Timeout.Token);
            return "";
        };
        Task<SnapshotReport> first = CompleteAsync(1), second = CompleteAsync(1);
        Assert.NotEqual(first, await Task.WhenAny(first, Task.Delay(50, _rig.Timeout.Token)));
        Assert.False(second.IsCompleted);

        go.Set();

        Assert.Equal((await first).Generation, (await second).Generation);
        Assert.Equal(1, _rig.Repair.Runs);
    }

    [Fact]
    public async Task A_preparation_that_is_under_way_in_a_copy_is_ended_before_the_repair()
    {
        Task<SnapshotReport>? completed = null;
        _rig.Platform.OnFreeze = mount =>
        {
            if (mount.Path == "/")
            {
                completed = Task.Run(() => CompleteAsync(1));
                Assert.True(SpinWait.SpinUntil(() => _rig.Platform.Done.Contains("thaw /data"), TimeSpan.FromSeconds(30)));
            }
        };
        _rig.Repair.OnRun = _ =>
        {
            Assert.Empty(_rig.GatePlatform.Asked);
            return "";
        };

        await PrepareAsync();

        Assert.False((await completed!).Gated);
        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_successor_thaws_at_once_and_keeps_the_gate_shut_for_the_rest_of_the_lease_while_a_repair_is_unfinished()
    {
        await PrepareAsync();
        using var next = new Successor(_rig, isUnfinished: true);

        Assert.InRange(next.Left!.Value, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60));
        Assert.Empty(_rig.Platform.Frozen);
        Assert.NotEmpty(_rig.GatePlatform.Asked);
        Assert.Contains("has failed", next.Control.Restriction, StringComparison.Ordinal);

        var report = await next.Snapshot.CompleteAsync(Request(1, SnapshotOrigin.Cloned)).AsTask().WaitAsync(_rig.Timeout.Token);

        Assert.Equal((SnapshotState.Idle, true), (report.State, report.Gated));
        AssertNothingFrozen();
    }

    [Fact]
    public async Task A_gate_that_a_successor_keeps_shut_opens_when_the_lease_ends()
    {
        await PrepareAsync();
        using var next = new Successor(_rig, isUnfinished: true);

        _rig.Time.Advance(TimeSpan.FromSeconds(60));
        while (_rig.Marker.Exists)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }

        Assert.Empty(_rig.GatePlatform.Asked);
        Assert.NotNull(next.Control.Restriction);
    }

    [Fact]
    public async Task A_successor_of_an_agent_whose_repair_was_over_opens_the_gate()
    {
        await PrepareAsync();
        using var next = new Successor(_rig, isUnfinished: false);

        Assert.Equal(TimeSpan.Zero, next.Left);
        Assert.Empty(_rig.GatePlatform.Asked);
        Assert.False(_rig.Marker.Exists);
        Assert.Null(next.Control.Restriction);
    }

    private void AssertNothingFrozen()
    {
        Assert.Empty(_rig.GatePlatform.Asked);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.False(_rig.Marker.Exists);
    }

    private Task<SnapshotReport> PrepareAsync() => _rig.Snapshot.PrepareAsync(
        new PrepareRequest { Kind = SnapshotKind.Memory, Gate = true, Freeze = true, LeaseMs = 60_000 }).AsTask().WaitAsync(_rig.Timeout.Token);

    private Task<SnapshotReport> CompleteAsync(byte generation, SnapshotOrigin origin = SnapshotOrigin.Cloned) =>
        _rig.Snapshot.CompleteAsync(Request(generation, origin)).AsTask().WaitAsync(_rig.Timeout.Token);

    private static CompleteRequest Request(byte generation, SnapshotOrigin origin) =>
        new() { Origin = origin, Generation = Generation(generation), Entropy = ByteString.CopyFrom(new byte[32]) };

    private static ByteString Generation(byte generation) => ByteString.CopyFrom([.. Enumerable.Repeat(generation, 16)]);

    private static async Task FailsAsync<T>(ChannelError code, Func<Task<T>> call) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<ChannelException>(async () => await call())).Code);

    /// <summary>The agent that follows one that was killed.</summary>
    private sealed class Successor : IDisposable
    {
        public Successor(FreezeRig rig, bool isUnfinished)
        {
            var repair = new FakeRepair { IsUnfinished = isUnfinished };
            var gate = new ProcessGate(rig.GatePlatform);
            var states = new SnapshotStates(static (_, _) => { });
            var options = new FreezeOptions(static () => TimeSpan.FromMinutes(10));
            Left = FreezeRecovery.Run(rig.Marker, rig.Platform, gate, () => SnapshotService.IsUnrepaired(repair), rig.Log);
            var run = new FreezeRun(rig.Platform, rig.Marker, static () => new HookFolder("/nonexistent", TimeSpan.Zero), gate, new SystemInhibitor("/nonexistent", "/nonexistent"), rig.Log);
            Control = new FreezeControl(run, () => rig.Session, states.Show, rig.Log, rig.Time);
            Snapshot = new SnapshotService(options, Control, states, repair, static _ => 0, rig.Log);
            Control.Hindrance = () => states.Restriction;
            Snapshot.Recover();
            Control.Recover(Left ?? TimeSpan.Zero);
        }

        public TimeSpan? Left { get; }

        public FreezeControl Control { get; }

        public SnapshotService Snapshot { get; }

        public void Dispose()
        {
            Control.Dispose();
            Snapshot.Dispose();
        }
    }
}
