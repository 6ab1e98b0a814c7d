using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The states of a freeze, and its lease.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class FreezeServiceTests : IDisposable
{
    private readonly FreezeRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task A_freeze_and_a_thaw_go_through_their_states_in_order_and_back()
    {
        var frozen = await _rig.FreezeAsync();

        Assert.Equal((FreezeState.Frozen, "", 60_000UL), (frozen.State, frozen.Failure, frozen.LeftMs));
        Assert.Equal([("/data", MountOutcome.Frozen), ("/", MountOutcome.Frozen)], frozen.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.True(_rig.Platform.IsMemoryLocked);
        Assert.True(_rig.Marker.Exists);

        var thawed = await _rig.Service.ThawAsync(new ThawRequest());

        Assert.Equal(["freeze /data", "freeze /", "thaw /", "thaw /data"], _rig.Platform.Done);
        Assert.Equal(FreezeState.Thawed, thawed.State);
        Assert.Equal([("/", MountOutcome.Thawed), ("/data", MountOutcome.Thawed)], thawed.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Contains("the host thawed it", thawed.LastEnd, StringComparison.Ordinal);
        Assert.False(_rig.Platform.IsMemoryLocked);
        Assert.False(_rig.Marker.Exists);
        Assert.Equal(0, _rig.Platform.OpenHandles);
        Assert.Equal([StateWord.Freezing, StateWord.Frozen, StateWord.Ready], await _rig.WordsAsync(StateWord.Ready));
    }

    [Fact]
    public async Task When_the_lease_ends_the_agent_thaws_unasked()
    {
        await _rig.FreezeAsync();
        Assert.Equal(_rig.Time.GetUtcNow() + TimeSpan.FromSeconds(60), (await _rig.UntilAsync(StateWord.Frozen)).Until);

        _rig.Time.Advance(TimeSpan.FromSeconds(60));

        await _rig.UntilAsync(StateWord.Ready);
        Assert.Empty(_rig.Platform.Frozen);
        var e = await Assert.ThrowsAsync<ChannelException>(() => _rig.Service.ThawAsync(new ThawRequest()).AsTask());
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains("the lease of 60 s ended, at 2026-01-02 03:05:05Z", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewed_lease_ends_later_and_belongs_to_the_session_that_renewed()
    {
        await _rig.FreezeAsync(lease: 60_000, linkLoss: 10_000);
        _rig.Session = 8;

        var renewed = _rig.Service.Renew(new RenewRequest { LeaseMs = 100_000 });
        _rig.Time.Advance(TimeSpan.FromSeconds(9));

        Assert.Equal((FreezeState.Frozen, 100_000UL), (renewed.State, renewed.LeftMs));
        Assert.Equal(2, _rig.Platform.Frozen.Count);
        _rig.Time.Advance(TimeSpan.FromSeconds(91));
        await _rig.UntilAsync(StateWord.Ready);
        Assert.Contains("the lease of 100 s ended", _rig.Service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_the_session_is_gone_for_longer_than_allowed_the_agent_thaws()
    {
        await _rig.FreezeAsync(lease: 600_000, linkLoss: 5_000);
        _rig.Session = null;

        await _rig.AdvanceUntilReadyAsync(TimeSpan.FromSeconds(5));

        Assert.Contains("had no link for 5 s", _rig.Service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_session_does_not_stand_in_for_the_holder_of_the_lease()
    {
        await _rig.FreezeAsync(lease: 600_000, linkLoss: 5_000);
        _rig.Session = 9;

        await _rig.AdvanceUntilReadyAsync(TimeSpan.FromSeconds(5));

        Assert.Contains("had no link for 5 s", _rig.Service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(999)]
    [InlineData(600_001)]
    [InlineData(31_536_000_00)]
    public async Task A_lease_out_of_range_is_refused_with_the_range(uint lease)
    {
        var e = await Assert.ThrowsAsync<ChannelException>(() => _rig.FreezeAsync(lease));

        Assert.Equal(ChannelError.InvalidArgument, e.Code);
        Assert.Contains("allowed are 1000 to 600000", e.Message, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, _rig.Service.Status().State);
    }

    [Fact]
    public async Task A_second_freeze_is_refused_and_the_first_stays()
    {
        await _rig.FreezeAsync();

        var e = await Assert.ThrowsAsync<ChannelException>(() => _rig.FreezeAsync());

        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains("freeze.Renew", e.Message, StringComparison.Ordinal);
        Assert.Equal(2, _rig.Platform.Frozen.Count);
    }

    [Fact]
    public async Task A_thaw_without_a_freeze_fails_and_a_forced_thaw_thaws_freezes_of_others()
    {
        var e = await Assert.ThrowsAsync<ChannelException>(() => _rig.Service.ThawAsync(new ThawRequest()).AsTask());
        Assert.Equal("nothing is frozen, and nothing was", e.Message);
        _rig.Platform.Frozen.Add("254:16");

        var report = await _rig.Service.ThawAsync(new ThawRequest { Force = true });

        Assert.Equal([("/", MountOutcome.NotFrozen), ("/data", MountOutcome.Thawed)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Empty(_rig.Platform.Frozen);
    }

    [Fact]
    public async Task While_frozen_the_log_is_kept_in_memory_and_written_after_the_thaw()
    {
        await _rig.FreezeAsync();
        var before = _rig.Lines.Count;

        _rig.Log.Info("while frozen");
        Assert.Equal(before, _rig.Lines.Count);
        await _rig.Service.ThawAsync(new ThawRequest());

        Assert.Contains("channel-agent: info: while frozen", _rig.Lines);
    }
}
