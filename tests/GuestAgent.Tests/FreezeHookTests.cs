using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Real hooks in a real folder.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class FreezeHookTests : IDisposable
{
    private const UnixFileMode Executable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-test-");
    private readonly FakeFreezePlatform _platform = new();
    private FreezeControl? _control;

    private string Trace => File.Exists($"{_folder.FullName}/trace") ? File.ReadAllText($"{_folder.FullName}/trace").ReplaceLineEndings(" ").Trim() : "";

    public void Dispose()
    {
        _control?.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Hooks_run_in_order_before_the_freeze_and_in_reverse_after_the_thaw()
    {
        Hook("20-second", "echo \"second $1\" >> ../trace; echo two");
        Hook("10-first", "echo \"first $1\" >> ../trace");
        Hook("30-old.bak", "echo never >> ../trace");
        File.WriteAllText($"{_folder.FullName}/hooks.d/README", "not executable");
        var service = Service();

        var frozen = await FreezeAsync(service);
        Assert.Equal("first freeze second freeze", Trace);
        var thawed = await service.ThawAsync(new ThawRequest());

        Assert.Equal("first freeze second freeze second thaw first thaw", Trace);
        Assert.Equal([("10-first", 0, ""), ("20-second", 0, "two\n")], frozen.Hooks.Select(h => (h.Name, h.ExitCode, h.Output)));
        Assert.Equal(["20-second", "10-first"], thawed.Hooks.Select(h => h.Name));
    }

    [Fact]
    public async Task A_hook_that_fails_calls_the_freeze_off_and_those_that_ran_are_told_to_thaw()
    {
        Hook("10-first", "echo \"first $1\" >> ../trace");
        Hook("20-bad", "echo \"bad $1\" >> ../trace; [ $1 = thaw ] || { echo broken >&2; exit 3; }");
        Hook("30-last", "echo \"last $1\" >> ../trace");
        var service = Service();

        var report = await FreezeAsync(service);

        Assert.Equal("hook 20-bad ended with code 3", report.Failure);
        Assert.Equal("broken\n", report.Hooks[1].Output);
        Assert.Equal("first freeze bad freeze bad thaw first thaw", Trace);
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public async Task A_hook_that_hangs_is_killed_with_its_children_when_its_time_is_over()
    {
        Hook("10-hangs", "echo waiting; sleep 1000 & sleep 1000");
        var service = Service(TimeSpan.FromMilliseconds(300));

        var report = await FreezeAsync(service);

        Assert.Equal("hook 10-hangs took too long", report.Failure);
        Assert.Equal((137, true, "waiting\n"), (report.Hooks[0].ExitCode, report.Hooks[0].TimedOut, report.Hooks[0].Output));
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public async Task A_hook_that_writes_gigabytes_is_cut_and_harms_nothing()
    {
        Hook("10-loud", "[ $1 = thaw ] || dd if=/dev/zero bs=1M count=2000 2>/dev/null");
        var service = Service(TimeSpan.FromSeconds(60));

        var report = await FreezeAsync(service);

        Assert.Equal(FreezeState.Frozen, report.State);
        Assert.Equal((CapturedProcess.MaxOutput, true), (report.Hooks[0].Output.Length, report.Hooks[0].OutputCut));
        await service.ThawAsync(new ThawRequest());
    }

    [Fact]
    public async Task A_hook_that_others_may_write_is_not_run_and_calls_the_freeze_off()
    {
        Hook("10-open", "echo ran >> ../trace");
        File.SetUnixFileMode($"{_folder.FullName}/hooks.d/10-open", Executable | UnixFileMode.OtherWrite);
        var service = Service();

        var report = await FreezeAsync(service);

        Assert.Contains("chmod go-w", report.Hooks[0].Output, StringComparison.Ordinal);
        Assert.Equal("", Trace);
        Assert.Empty(_platform.Done);
    }

    [Fact]
    public async Task A_lease_that_ends_during_a_hook_kills_it()
    {
        Hook("10-slow", "[ $1 = thaw ] || sleep 1000");
        var service = Service(TimeSpan.FromSeconds(60));

        var report = await FreezeAsync(service, 1000);

        Assert.Equal(FreezeState.Thawed, report.State);
        Assert.True(report.Hooks[0].TimedOut);
    }

    [Fact]
    public async Task Hooks_of_a_snapshot_are_told_its_kind()
    {
        Hook("10-first", "echo \"$#: $*\" >> ../trace");
        var service = Service();

        await service.FreezeAsync(new FreezeRequest { LeaseMs = 60_000 });
        await service.ThawAsync(new ThawRequest());
        await _control!.BeginAsync(new FreezeOrder([]) { Kind = SnapshotKind.Disk, FileSystems = false }, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await _control.EndAsync("the test");

        Assert.Equal("1: freeze 1: thaw 2: freeze disk 2: thaw disk", Trace);
    }

    [Theory]
    [InlineData("freeze")]
    [InlineData("thaw")]
    public async Task Hooks_of_an_agent_that_was_killed_while_one_ran_are_told_to_thaw_by_its_successor(string when)
    {
        Hook("10-first", "echo \"$*\" >> ../trace");
        Hook("20-watched", $"[ $1 = {when} ] && cp ../frozen ../left; exit 0");
        Service();
        await _control!.BeginAsync(new FreezeOrder([]) { Kind = SnapshotKind.Disk, FileSystems = false }, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await _control.EndAsync("the test");
        _control.Dispose();
        Assert.False(File.Exists($"{_folder.FullName}/frozen"));
        // As the kill would have left it.
        File.Move($"{_folder.FullName}/left", $"{_folder.FullName}/frozen");

        Service();
        Assert.Equal(TimeSpan.Zero, FreezeRecovery.Run(new FreezeMarker($"{_folder.FullName}/frozen"), _platform, new ProcessGate(new FakeGatePlatform()), static () => true, NewLog()));
        _control.Recover(TimeSpan.Zero);

        Assert.Equal("freeze disk thaw disk thaw disk", Trace);
        Assert.False(File.Exists($"{_folder.FullName}/frozen"));
    }

    private void Hook(string name, string script)
    {
        var folder = _folder.CreateSubdirectory("hooks.d").FullName;
        File.WriteAllText($"{folder}/{name}", $"#!/bin/sh\ncd {folder}\n{script}\n");
        File.SetUnixFileMode($"{folder}/{name}", Executable);
    }

    private static Task<FreezeReport> FreezeAsync(FreezeService service, uint lease = 60_000) =>
        service.FreezeAsync(new FreezeRequest { LeaseMs = lease }).AsTask().WaitAsync(TimeSpan.FromSeconds(120));

    private FreezeService Service(TimeSpan? limit = null)
    {
        var log = NewLog();
        var hooks = new HookFolder($"{_folder.FullName}/hooks.d", limit ?? TimeSpan.FromSeconds(30));
        var run = new FreezeRun(_platform, new FreezeMarker($"{_folder.FullName}/frozen"), () => hooks, new ProcessGate(new FakeGatePlatform()), new SystemInhibitor("/nonexistent", "/nonexistent"), log);
        _control = new FreezeControl(run, static () => 1, static (_, _) => { }, log, TimeProvider.System);
        return new FreezeService(new FreezeOptions(() => TimeSpan.FromMinutes(10)), _control);
    }

    private static AgentLog NewLog() => new(static _ => { }, TimeProvider.System, withTime: false);
}
