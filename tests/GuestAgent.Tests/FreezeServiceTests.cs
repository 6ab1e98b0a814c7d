using System.Collections.Concurrent;
using System.Threading.Channels;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public sealed class FreezeServiceTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly FakeFreezePlatform _platform = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-test-");
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(60));
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly Channel<(StateWord Word, DateTimeOffset? Until)> _states = Channel.CreateUnbounded<(StateWord, DateTimeOffset?)>();
    private readonly FreezeMarker _marker;
    private readonly AgentLog _log;
    private readonly FreezeService _service;
    private UInt128? _session = 7;

    private Action _onHooks = static () => { };
    private Action _onState = static () => { };

    public FreezeServiceTests()
    {
        _marker = new FreezeMarker($"{_folder.FullName}/state/frozen");
        _log = new AgentLog(_lines.Enqueue, _time, withTime: false) { Rate = 1000 };
        _service = Service();
    }

    public void Dispose()
    {
        _service.Dispose();
        _timeout.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_freeze_and_a_thaw_go_through_their_states_in_order_and_back()
    {
        FreezeReport frozen = await FreezeAsync();

        Assert.Equal((FreezeState.Frozen, "", 60_000UL), (frozen.State, frozen.Failure, frozen.LeftMs));
        Assert.Equal([("/data", MountOutcome.Frozen), ("/", MountOutcome.Frozen)], frozen.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.True(_platform.IsMemoryLocked);
        Assert.True(_marker.Exists);

        FreezeReport thawed = await _service.ThawAsync(new ThawRequest());

        Assert.Equal(["freeze /data", "freeze /", "thaw /", "thaw /data"], _platform.Done);
        Assert.Equal(FreezeState.Thawed, thawed.State);
        Assert.Equal([("/", MountOutcome.Thawed), ("/data", MountOutcome.Thawed)], thawed.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Contains("the host thawed it", thawed.LastEnd, StringComparison.Ordinal);
        Assert.False(_platform.IsMemoryLocked);
        Assert.False(_marker.Exists);
        Assert.Equal(0, _platform.OpenHandles);
        Assert.Equal([StateWord.Freezing, StateWord.Frozen, StateWord.Ready], await WordsAsync(StateWord.Ready));
    }

    [Fact]
    public async Task When_the_lease_ends_the_agent_thaws_with_nobody_asking()
    {
        await FreezeAsync();
        Assert.Equal(_time.GetUtcNow() + TimeSpan.FromSeconds(60), (await UntilAsync(StateWord.Frozen)).Until);

        _time.Advance(TimeSpan.FromSeconds(60));

        await UntilAsync(StateWord.Ready);
        Assert.Empty(_platform.Frozen);
        var e = await Assert.ThrowsAsync<ChannelException>(() => _service.ThawAsync(new ThawRequest()).AsTask());
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains("the lease of 60 s ended, at 2026-01-02 03:05:05Z", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewed_lease_ends_later_and_belongs_to_the_session_that_renewed()
    {
        await FreezeAsync(lease: 60_000, linkLoss: 10_000);
        _session = 8;

        FreezeReport renewed = _service.Renew(new RenewRequest { LeaseMs = 100_000 });
        _time.Advance(TimeSpan.FromSeconds(9));

        Assert.Equal((FreezeState.Frozen, 100_000UL), (renewed.State, renewed.LeftMs));
        Assert.Equal(2, _platform.Frozen.Count);
        _time.Advance(TimeSpan.FromSeconds(91));
        await UntilAsync(StateWord.Ready);
        Assert.Contains("the lease of 100 s ended", _service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_the_session_is_gone_for_longer_than_allowed_the_agent_thaws()
    {
        await FreezeAsync(lease: 600_000, linkLoss: 5_000);
        _session = null;

        await AdvanceUntilReadyAsync(TimeSpan.FromSeconds(5));

        Assert.Contains("had no link for 5 s", _service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_session_does_not_stand_in_for_the_one_that_holds_the_lease()
    {
        await FreezeAsync(lease: 600_000, linkLoss: 5_000);
        _session = 9;

        await AdvanceUntilReadyAsync(TimeSpan.FromSeconds(5));

        Assert.Contains("had no link for 5 s", _service.Status().LastEnd, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(999)]
    [InlineData(600_001)]
    [InlineData(31_536_000_00)]
    public async Task A_lease_out_of_range_is_refused_with_the_range(uint lease)
    {
        var e = await Assert.ThrowsAsync<ChannelException>(() => FreezeAsync(lease));

        Assert.Equal(ChannelError.InvalidArgument, e.Code);
        Assert.Contains("allowed are 1000 to 600000", e.Message, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, _service.Status().State);
    }

    [Fact]
    public async Task A_second_freeze_is_refused_and_the_first_stays()
    {
        await FreezeAsync();

        var e = await Assert.ThrowsAsync<ChannelException>(() => FreezeAsync());

        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains("freeze.Renew", e.Message, StringComparison.Ordinal);
        Assert.Equal(2, _platform.Frozen.Count);
    }

    [Fact]
    public async Task A_thaw_of_what_was_never_frozen_says_so_and_a_forced_one_thaws_what_others_froze()
    {
        var e = await Assert.ThrowsAsync<ChannelException>(() => _service.ThawAsync(new ThawRequest()).AsTask());
        Assert.Equal("nothing is frozen, and nothing was", e.Message);
        _platform.Frozen.Add("254:16");

        FreezeReport report = await _service.ThawAsync(new ThawRequest { Force = true });

        Assert.Equal([("/", MountOutcome.NotFrozen), ("/data", MountOutcome.Thawed)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Empty(_platform.Frozen);
    }

    [Theory]
    [InlineData(5, MountOutcome.Failed, "EIO")]
    [InlineData(1, MountOutcome.Failed, "CAP_SYS_ADMIN")]
    public async Task A_failure_in_the_middle_thaws_what_was_frozen_and_names_the_culprit(int error, MountOutcome outcome, string word)
    {
        _platform.FreezeErrors["/"] = error;

        FreezeReport report = await FreezeAsync();

        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Contains(word, report.Failure, StringComparison.Ordinal);
        Assert.Equal([("/data", MountOutcome.Thawed), ("/", outcome)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Empty(_platform.Frozen);
        Assert.False(_marker.Exists);
        Assert.Null(_service.Restriction);
        Assert.Equal(0, _platform.OpenHandles);
    }

    [Fact]
    public async Task A_file_system_that_cannot_freeze_is_skipped_and_the_others_are_frozen()
    {
        _platform.FreezeErrors["/"] = 95;

        FreezeReport report = await FreezeAsync();

        Assert.Equal(FreezeState.Frozen, report.State);
        Assert.Equal([("/data", MountOutcome.Frozen), ("/", MountOutcome.Skipped)], report.Mounts.Select(m => (m.Mount, m.Outcome)));
    }

    [Fact]
    public async Task A_mount_that_is_hidden_is_frozen_by_another_of_its_places()
    {
        _platform.Mounts += "\n30 20 254:16 / /d rw - xfs /dev/vdb rw";
        _platform.Hidden.Add("/d");

        await FreezeAsync();

        Assert.Contains("freeze /data", _platform.Done);
    }

    [Fact]
    public async Task Nothing_is_frozen_if_the_marker_would_lie_on_a_frozen_file_system()
    {
        _platform.Mounts += $"\n31 20 254:48 / {_folder.FullName} rw - ext4 /dev/vdd rw";

        FreezeReport report = await FreezeAsync();

        Assert.Contains("the agent needs /run on a tmpfs", report.Failure, StringComparison.Ordinal);
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public async Task A_lease_that_ends_while_storage_hangs_thaws_at_once_and_what_comes_too_late()
    {
        using var hang = new ManualResetEventSlim();
        using var hangs = new ManualResetEventSlim();
        _platform.OnFreeze = mount =>
        {
            if (mount.Path == "/")
            {
                hangs.Set();
                hang.Wait(_timeout.Token);
            }
        };
        Task<FreezeReport> freeze = FreezeAsync();
        hangs.Wait(_timeout.Token);
        Assert.Single(_platform.Frozen);

        _time.Advance(TimeSpan.FromSeconds(60));
        while (_platform.Done.Count < 2)
        {
            await Task.Delay(1, _timeout.Token);
        }
        Assert.Equal(["freeze /data", "thaw /data"], _platform.Done);
        hang.Set();
        FreezeReport report = await freeze;

        Assert.Equal("the lease of 60 s ended", report.Failure);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Empty(_platform.Frozen);
    }

    [Fact]
    public async Task A_thaw_during_a_freeze_calls_it_off()
    {
        Task<FreezeReport>? thaw = null;
        _platform.OnFreeze = mount =>
        {
            if (mount.Path == "/data")
            {
                thaw = _service.EndAsync("the host thawed it")!;
            }
        };

        FreezeReport report = await FreezeAsync();

        Assert.Equal("the host thawed it", report.Failure);
        Assert.Empty(_platform.Frozen);
        Assert.Equal(FreezeState.Thawed, (await thaw!).State);
    }

    [Fact]
    public async Task While_frozen_the_log_is_kept_in_memory_and_written_after_the_thaw()
    {
        await FreezeAsync();
        int before = _lines.Count;

        _log.Info("while frozen");
        Assert.Equal(before, _lines.Count);
        await _service.ThawAsync(new ThawRequest());

        Assert.Contains("channel-agent: info: while frozen", _lines);
    }

    [Fact]
    public async Task A_successor_thaws_what_the_marker_names_inner_file_systems_last()
    {
        await FreezeAsync();
        _platform.Frozen.Add("254:99");
        _platform.Mounts += "\n40 20 254:99 / /others rw - ext4 /dev/vdz rw";

        Assert.True(FreezeRecovery.Run(_marker, _platform, _log));

        Assert.Equal(["thaw /", "thaw /data"], _platform.Done.TakeLast(2));
        Assert.Equal(["254:99"], _platform.Frozen);
        Assert.False(_marker.Exists);
        Assert.False(FreezeRecovery.Run(_marker, _platform, _log));
    }

    [Theory]
    [InlineData("hooks")]
    [InlineData("mounts")]
    [InlineData("open")]
    [InlineData("freeze")]
    [InlineData("state")]
    public async Task A_failure_that_nobody_expected_leaves_the_guest_thawed_with_the_reason(string where)
    {
        bool isOver = false;
        void Fail(string place)
        {
            if (place == where && !isOver)
            {
                throw new InvalidOperationException("unheard of");
            }
        }
        _onHooks = () => Fail("hooks");
        _platform.OnReadMounts = () => Fail("mounts");
        _platform.OnOpen = mount => Fail(mount.Path == "/" ? "open" : "");
        _platform.OnFreeze = mount => Fail(mount.Path == "/" ? "freeze" : "");
        _onState = () => Fail("state");

        FreezeReport report = await FreezeAsync().WaitAsync(_timeout.Token);

        Assert.Contains("unheard of", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Null(_service.Restriction);
        Assert.Empty(_platform.Frozen);
        Assert.False(_marker.Exists);
        Assert.False(_platform.IsMemoryLocked);
        Assert.Contains("unheard of", (await Assert.ThrowsAsync<ChannelException>(() => _service.ThawAsync(new ThawRequest()).AsTask().WaitAsync(_timeout.Token))).Message, StringComparison.Ordinal);
        isOver = true;
        Assert.Equal(FreezeState.Frozen, (await FreezeAsync()).State);
    }

    [Fact]
    public async Task A_folder_of_hooks_that_cannot_be_listed_calls_the_freeze_off()
    {
        File.WriteAllText($"{_folder.FullName}/hooks.d", "no folder");

        FreezeReport report = await FreezeAsync().WaitAsync(_timeout.Token);

        Assert.Contains("the hooks cannot be listed", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.Empty(_platform.Done);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_freeze_that_is_stuck_in_an_open_ends_with_its_lease_and_says_where(bool byThaw)
    {
        using var hang = new ManualResetEventSlim();
        using var hangs = new ManualResetEventSlim();
        _platform.OnOpen = mount =>
        {
            if (mount.Path == "/")
            {
                hangs.Set();
                hang.Wait(_timeout.Token);
            }
        };
        Task<FreezeReport> freeze = FreezeAsync();
        hangs.Wait(_timeout.Token);

        Task ended = byThaw ? _service.ThawAsync(new ThawRequest()).AsTask() : Task.CompletedTask;
        if (!byThaw)
        {
            _time.Advance(TimeSpan.FromSeconds(60));
        }

        FreezeReport report = await freeze.WaitAsync(_timeout.Token);
        await ended.WaitAsync(_timeout.Token);
        Assert.Contains("stuck in the open of /", report.Failure, StringComparison.Ordinal);
        Assert.Equal(FreezeState.Thawed, _service.Status().State);
        Assert.Null(_service.Restriction);
        Assert.Empty(_platform.Frozen);
        Assert.Contains("stuck in the open of /", (await Assert.ThrowsAsync<ChannelException>(() => FreezeAsync())).Message, StringComparison.Ordinal);

        hang.Set();
        while (_platform.OpenHandles > 0 || _marker.Exists)
        {
            await Task.Delay(1, _timeout.Token);
        }
        _platform.OnOpen = static _ => { };
        while (true)
        {
            try
            {
                Assert.Equal(FreezeState.Frozen, (await FreezeAsync()).State);
                return;
            }
            catch (ChannelException e) when (e.Class == ErrorClass.Retry)
            {
                await Task.Delay(1, _timeout.Token);
            }
        }
    }

    [Fact]
    public async Task A_file_system_whose_thaw_hangs_does_not_keep_the_others_frozen()
    {
        using var hang = new ManualResetEventSlim();
        await FreezeAsync();
        _platform.OnThaw = mount =>
        {
            if (mount.Path == "/")
            {
                hang.Wait(_timeout.Token);
            }
        };

        FreezeReport thawed = await _service.ThawAsync(new ThawRequest()).AsTask().WaitAsync(_timeout.Token);

        Assert.Equal([("/", MountOutcome.Failed), ("/data", MountOutcome.Thawed)], thawed.Mounts.Select(m => (m.Mount, m.Outcome)));
        Assert.Contains("does not answer", thawed.Mounts[0].Reason, StringComparison.Ordinal);
        hang.Set();
        while (_platform.Frozen.Count > 0 || _platform.OpenHandles > 0)
        {
            await Task.Delay(1, _timeout.Token);
        }
    }

    [Fact]
    public async Task What_a_hook_unmounts_is_not_missed_and_what_it_mounts_is_frozen()
    {
        _onHooks = () => _platform.Mounts = """
            20 1 254:0 / / rw - ext4 /dev/vda rw
            21 20 0:20 / /tmp rw - tmpfs tmpfs rw
            23 20 254:32 / /new rw - ext4 /dev/vdc rw
            """;

        FreezeReport report = await FreezeAsync();

        Assert.Equal("", report.Failure);
        Assert.Equal(["/new", "/"], report.Mounts.Select(static m => m.Mount));
    }

    [Fact]
    public async Task A_mount_that_is_hidden_and_one_that_somebody_else_froze_are_told_and_fail_nothing()
    {
        _platform.Mounts += "\n30 20 254:32 / /hidden rw - xfs /dev/vdc rw";
        _platform.Hidden.Add("/hidden");
        _platform.Frozen.Add("254:16");

        FreezeReport report = await FreezeAsync();

        Assert.Equal((FreezeState.Frozen, ""), (report.State, report.Failure));
        Assert.Equal(
            [("/", MountOutcome.Frozen), ("/data", MountOutcome.AlreadyFrozen), ("/hidden", MountOutcome.Skipped)],
            report.Mounts.OrderBy(static m => m.Mount, StringComparer.Ordinal).Select(m => (m.Mount, m.Outcome)));
        await _service.ThawAsync(new ThawRequest());
        Assert.Equal(["254:16"], _platform.Frozen);
    }

    [Fact]
    public async Task By_the_QEMU_protocols_rules_what_is_no_mount_point_is_passed_over_and_nothing_to_freeze_is_no_failure()
    {
        FreezeReport nothing = await _service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere" } }, ignoreUnknown: true);
        Assert.Equal((FreezeState.Thawed, ""), (nothing.State, nothing.Failure));

        FreezeReport one = await _service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere", "/data" } }, ignoreUnknown: true);
        Assert.Equal(["/data"], one.Mounts.Select(static m => m.Mount));
        await _service.ThawAsync(new ThawRequest());

        Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(
            () => _service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000, Mounts = { "/nowhere" } }).AsTask())).Code);
        Assert.Null(_service.Restriction);
    }

    private Task<FreezeReport> FreezeAsync(uint lease = 60_000, uint linkLoss = 0) =>
        _service.FreezeAsync(new FreezeRequest { LeaseMs = lease, LinkLossMs = linkLoss }).AsTask();

    private FreezeService Service()
    {
        var run = new FreezeRun(_platform, _marker, () =>
        {
            _onHooks();
            return new HookFolder($"{_folder.FullName}/hooks.d", TimeSpan.FromSeconds(10));
        }, _log);
        return new FreezeService(new FreezeOptions(() => TimeSpan.FromMinutes(10)), run, () => _session,
            (word, until) =>
            {
                _onState();
                _states.Writer.TryWrite((word, until));
            },
            _log, _time);
    }

    // The look for the owner that is under way may still see the session, so the clock moves until it has not.
    private async Task AdvanceUntilReadyAsync(TimeSpan step)
    {
        Task ready = UntilAsync(StateWord.Ready);
        while (!ready.IsCompleted)
        {
            _time.Advance(step);
            await Task.WhenAny(ready, Task.Delay(100, _timeout.Token));
        }
        await ready;
    }

    private async Task<(StateWord Word, DateTimeOffset? Until)> UntilAsync(StateWord word)
    {
        while (true)
        {
            (StateWord Word, DateTimeOffset? Until) next = await _states.Reader.ReadAsync(_timeout.Token);
            if (next.Word == word)
            {
                return next;
            }
        }
    }

    private async Task<List<StateWord>> WordsAsync(StateWord last)
    {
        var words = new List<StateWord>();
        while (words.Count == 0 || words[^1] != last)
        {
            StateWord next = (await _states.Reader.ReadAsync(_timeout.Token)).Word;
            if (next != StateWord.Busy && (words.Count == 0 || words[^1] != next))
            {
                words.Add(next);
            }
        }
        return words;
    }
}
