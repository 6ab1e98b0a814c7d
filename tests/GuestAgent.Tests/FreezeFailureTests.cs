using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Freezes and thaws that fail, hang or are called off.</summary>
public sealed class FreezeFailureTests : IDisposable
{
    private readonly FreezeRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(5, MountOutcome.Failed, "EIO")]
    [InlineData(1, MountOutcome.Failed, "CAP_SYS_ADMIN")]
    public async Task A_failure_in_the_middle_thaws_the_frozen_ones_and_names_the_culprit(int error, MountOutcome outcome, string word)
    {
        _rig.Platform.FreezeErrors["/"] = error;

        var report = await _rig.FreezeAsync();

        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Contains(word, report.Failure, StringComparison.Ordinal);
        Assert.Equal([("/data", MountOutcome.Thawed), ("/", outcome)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Empty(_rig.Platform.Frozen);
        Assert.False(_rig.Marker.Exists);
        Assert.Null(_rig.Service.Restriction);
        Assert.Equal(0, _rig.Platform.OpenHandles);
    }

    [Fact]
    public async Task Nothing_is_frozen_if_the_marker_would_lie_on_a_frozen_file_system()
    {
        _rig.Platform.Mounts += $"\n31 20 254:48 / {_rig.Folder.FullName} rw - ext4 /dev/vdd rw";

        var report = await _rig.FreezeAsync();

        Assert.Contains("the agent needs /run on a tmpfs", report.Failure, StringComparison.Ordinal);
        Assert.Empty(_rig.Platform.Done);
    }

    [Fact]
    public async Task A_lease_that_ends_while_storage_hangs_thaws_at_once_and_thaws_late_freezes_too()
    {
        using var hang = new ManualResetEventSlim();
        using var hangs = new ManualResetEventSlim();
        _rig.Platform.OnFreeze = mount =>
        {
            if (mount.Path == "/")
            {
                hangs.Set();
                hang.Wait(_rig.Timeout.Token);
            }
        };
        var freeze = _rig.FreezeAsync();
        hangs.Wait(_rig.Timeout.Token);
        Assert.Single(_rig.Platform.Frozen);

        _rig.Time.Advance(TimeSpan.FromSeconds(60));
        while (_rig.Platform.Done.Count < 2)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }

        Assert.Equal(["freeze /data", "thaw /data"], _rig.Platform.Done);
        hang.Set();
        var report = await freeze;

        Assert.Equal("the lease of 60 s ended", report.Failure);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Empty(_rig.Platform.Frozen);
    }

    [Fact]
    public async Task A_thaw_during_a_freeze_calls_it_off()
    {
        Task<RestReport?>? thaw = null;
        _rig.Platform.OnFreeze = mount =>
        {
            if (mount.Path == "/data")
            {
                thaw = _rig.Control.EndAsync("the host thawed it");
            }
        };

        var report = await _rig.FreezeAsync();

        Assert.Equal("the host thawed it", report.Failure);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.Equal(FreezeState.Thawed, (await thaw!)!.Freeze.State);
    }

    [Theory]
    [InlineData("hooks")]
    [InlineData("mounts")]
    [InlineData("open")]
    [InlineData("freeze")]
    [InlineData("state")]
    public async Task An_unexpected_failure_leaves_the_guest_thawed_with_the_reason(string where)
    {
        var isOver = false;
        void Fail(string place)
        {
            if (place == where && !isOver)
            {
                throw new InvalidOperationException("unheard of");
            }
        }

        _rig.OnHooks = () => Fail("hooks");
        _rig.Platform.OnReadMounts = () => Fail("mounts");
        _rig.Platform.OnOpen = mount => Fail(mount.Path == "/" ? "open" : "");
        _rig.Platform.OnFreeze = mount => Fail(mount.Path == "/" ? "freeze" : "");
        _rig.OnState = () => Fail("state");

        var report = await _rig.FreezeAsync().WaitAsync(_rig.Timeout.Token);

        Assert.Contains("unheard of", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Null(_rig.Service.Restriction);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.False(_rig.Marker.Exists);
        Assert.False(_rig.Platform.IsMemoryLocked);
        Assert.Contains("unheard of", (await Assert.ThrowsAsync<ChannelException>(() => _rig.Service.ThawAsync(new ThawRequest()).AsTask().WaitAsync(_rig.Timeout.Token))).Message, StringComparison.Ordinal);
        isOver = true;
        Assert.Equal(FreezeState.Frozen, (await _rig.FreezeAsync()).State);
    }

    [Fact]
    public async Task A_folder_of_hooks_that_cannot_be_listed_calls_the_freeze_off()
    {
        File.WriteAllText($"{_rig.Folder.FullName}/hooks.d", "no folder");

        var report = await _rig.FreezeAsync().WaitAsync(_rig.Timeout.Token);

        Assert.Contains("the hooks cannot be listed", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Empty(_rig.Platform.Done);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_freeze_that_is_stuck_in_an_open_ends_with_its_lease_and_says_where(bool byThaw)
    {
        using var hang = new ManualResetEventSlim();
        using var hangs = new ManualResetEventSlim();
        _rig.Platform.OnOpen = mount =>
        {
            if (mount.Path == "/")
            {
                hangs.Set();
                hang.Wait(_rig.Timeout.Token);
            }
        };
        var freeze = _rig.FreezeAsync();
        hangs.Wait(_rig.Timeout.Token);

        var ended = byThaw ? _rig.Service.ThawAsync(new ThawRequest()).AsTask() : Task.CompletedTask;
        if (!byThaw)
        {
            _rig.Time.Advance(TimeSpan.FromSeconds(60));
        }

        var report = await freeze.WaitAsync(_rig.Timeout.Token);
        await ended.WaitAsync(_rig.Timeout.Token);
        Assert.Contains("stuck in the open of /", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, _rig.Service.Status().State);
        Assert.Null(_rig.Service.Restriction);
        Assert.Empty(_rig.Platform.Frozen);
        Assert.Contains("stuck in the open of /", (await Assert.ThrowsAsync<ChannelException>(() => _rig.FreezeAsync())).Message, StringComparison.Ordinal);

        hang.Set();
        while (_rig.Platform.OpenHandles > 0 || _rig.Marker.Exists)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }

        _rig.Platform.OnOpen = static _ => { };
        while (true)
        {
            try
            {
                Assert.Equal(FreezeState.Frozen, (await _rig.FreezeAsync()).State);
                return;
            }
            catch (ChannelException e) when (e.Class == ErrorClass.Retry)
            {
                await Task.Delay(1, _rig.Timeout.Token);
            }
        }
    }

    [Fact]
    public async Task A_file_system_whose_thaw_hangs_does_not_keep_the_others_frozen()
    {
        using var hang = new ManualResetEventSlim();
        await _rig.FreezeAsync();
        _rig.Platform.OnThaw = mount =>
        {
            if (mount.Path == "/")
            {
                hang.Wait(_rig.Timeout.Token);
            }
        };

        var thawed = await _rig.Service.ThawAsync(new ThawRequest()).AsTask().WaitAsync(_rig.Timeout.Token);

        Assert.Equal([("/", MountOutcome.Failed), ("/data", MountOutcome.Thawed)], thawed.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Contains("does not answer", thawed.Mounts[0].Reason, StringComparison.Ordinal);
        hang.Set();
        while (_rig.Platform.Frozen.Count > 0 || _rig.Platform.OpenHandles > 0)
        {
            await Task.Delay(1, _rig.Timeout.Token);
        }
    }
}
