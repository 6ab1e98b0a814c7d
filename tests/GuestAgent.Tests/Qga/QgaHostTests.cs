using System.Collections.Concurrent;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>The host's typed calls by way of the QEMU guest agent's protocol alone.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QgaHostTests : IAsyncLifetime, IAsyncDisposable
{
    private readonly QgaRig _rig = new();
    private readonly ChannelHost _host = new();
    private readonly ConcurrentQueue<string> _alarms = [];
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(60));

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _rig.DisposeAsync();
        _limit.Dispose();
    }

    private async Task<Instance> AttachAsync(InstanceOptions? options = null)
    {
        var instance = _host.Attach("vm1", $"qga://{_rig.Socket}", (options ?? new InstanceOptions()) with { Alarm = _alarms.Enqueue });
        await instance.WaitReadyAsync(_limit.Token);
        return instance;
    }

    [Fact]
    public async Task Ping_info_and_clock_work()
    {
        var instance = await AttachAsync();
        Assert.Equal(AgentKind.QemuGuestAgent, instance.Agent);
        await instance.Info.PingAsync(_limit.Token);
        var info = await instance.Info.GetAsync(_limit.Token);
        Assert.StartsWith("qemu-ga ", info.Agent!.Version, StringComparison.Ordinal);
        Assert.Equal(Environment.MachineName, info.HostName);
        Assert.Contains("guest-ping", info.Methods);
        Assert.True((await instance.Time.DriftAsync(_limit.Token)).Offset.Duration() < TimeSpan.FromSeconds(5));
        await instance.Time.SetAsync(_limit.Token);
        Assert.NotEqual(0, _rig.ClockSetTo);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData((128 << 10) * 3)]
    [InlineData(1_000_003)]
    public async Task Files_are_copied_both_ways(int length)
    {
        var instance = await AttachAsync();
        var content = new byte[length];
        new Random(length).NextBytes(content);
        var local = _rig.NewFile("local", content);
        var copied = await instance.Files.CopyInAsync(local, $"{_rig.Folder}/guest", cancellationToken: _limit.Token);
        Assert.Equal(content, await File.ReadAllBytesAsync($"{_rig.Folder}/guest"));
        var back = await instance.Files.CopyOutAsync($"{_rig.Folder}/guest", $"{_rig.Folder}/back", cancellationToken: _limit.Token);
        Assert.Equal(content, await File.ReadAllBytesAsync($"{_rig.Folder}/back"));
        Assert.Equal(copied.Hash, back.Hash);
        var exists = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyInAsync(local, $"{_rig.Folder}/guest", cancellationToken: _limit.Token));
        Assert.Contains("it exists", exists.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_program_runs_with_output_errors_and_exit_code()
    {
        var instance = await AttachAsync();
        var result = await instance.Exec.RunAsync(new() { Command = ["sh", "-c", "echo out; echo err >&2; exit 3"] }, cancellationToken: _limit.Token);
        Assert.Equal((3, "out\n", "err\n"), (result.Exit.Code, Encoding.UTF8.GetString(result.Output.Span), Encoding.UTF8.GetString(result.Error.Span)));
    }

    [Fact]
    public async Task A_freeze_and_a_thaw_go_through_and_the_state_is_told()
    {
        var instance = await AttachAsync();
        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(30), cancellationToken: _limit.Token);
        Assert.Equal(FreezeState.Frozen, report.State);
        Assert.Equal(2, _rig.Freeze.Frozen.Count);
        await instance.Info.PingAsync(_limit.Token);
        var refused = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Time.SetAsync(_limit.Token));
        Assert.Equal((ChannelError.FailedPrecondition, ErrorClass.Retry), (refused.Code, refused.Class));
        await instance.Freeze.ThawAsync(cancellationToken: _limit.Token);
        Assert.Empty(_rig.Freeze.Frozen);
        var again = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.ThawAsync(cancellationToken: _limit.Token));
        Assert.Contains("the host thawed it", again.Message, StringComparison.Ordinal);
        Assert.Empty(_alarms);
    }

    [Fact]
    public async Task The_hosts_own_lease_thaws_a_guest_that_has_none()
    {
        var instance = await AttachAsync();
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(1), cancellationToken: _limit.Token);
        while ((await instance.Freeze.StatusAsync(_limit.Token)).State != FreezeState.Thawed)
        {
            _limit.Token.ThrowIfCancellationRequested();
        }

        Assert.Empty(_rig.Freeze.Frozen);
        Assert.Contains("the lease of 1 s ended", (await instance.Freeze.StatusAsync(_limit.Token)).LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_that_detaches_leaves_no_guest_frozen()
    {
        var instance = await AttachAsync();
        await instance.Freeze.FreezeAsync(TimeSpan.FromMinutes(5), cancellationToken: _limit.Token);
        await _host.DetachAsync("vm1");
        Assert.Empty(_rig.Freeze.Frozen);
    }

    [Fact]
    public async Task A_shutdown_is_accepted_without_a_reply()
    {
        _rig.Power.Paths.UnionWith(["/run/systemd/system", "/usr/bin/systemctl"]);
        var instance = await AttachAsync();
        Assert.True((await instance.Power.ShutdownAsync(cancellationToken: _limit.Token)).Accepted);
        Assert.True(SpinWait.SpinUntil(() => !_rig.Power.Done.IsEmpty, TimeSpan.FromSeconds(20)));
        Assert.Equal(["/usr/bin/systemctl poweroff"], _rig.Power.Done);
    }

    [Fact]
    public async Task Calls_that_qemu_ga_has_nothing_for_say_so()
    {
        var instance = await AttachAsync();
        var list = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Files.StatAsync("/etc", _limit.Token));
        Assert.Equal(ChannelError.Unsupported, list.Code);
        Assert.Contains("only the QEMU guest agent", list.Message, StringComparison.Ordinal);
        var measure = await Assert.ThrowsAsync<ChannelException>(() => instance.Measure.SendAsync(100, cancellationToken: _limit.Token));
        Assert.Equal(ChannelError.Unsupported, measure.Code);
        var mode = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyOutAsync("/etc/hostname", "/nowhere", new() { KeepMode = true }, cancellationToken: _limit.Token));
        Assert.Equal(ChannelError.Unsupported, mode.Code);
    }

    [Fact]
    public async Task A_guest_with_both_agents_is_reached_by_ours()
    {
        var instance = _host.Attach("vm1", $"unix://{_rig.Socket.Replace("qga.sock", "host.sock", StringComparison.Ordinal)}",
            new InstanceOptions { QgaSocket = _rig.Socket, Alarm = _alarms.Enqueue });
        await instance.WaitReadyAsync(_limit.Token);
        Assert.Equal(AgentKind.ChannelAgent, instance.Agent);
        Assert.NotEmpty((await instance.Info.GetAsync(_limit.Token)).BootId);
    }

    [Fact]
    public async Task A_guest_without_ours_is_reached_by_qemu_ga()
    {
        var instance = _host.Attach("vm1", $"unix://{_rig.Socket}.none",
            new InstanceOptions { QgaSocket = _rig.Socket, QgaAfter = TimeSpan.FromMilliseconds(50), Alarm = _alarms.Enqueue });
        await instance.WaitReadyAsync(_limit.Token);
        Assert.Equal(AgentKind.QemuGuestAgent, instance.Agent);
        await instance.Info.PingAsync(_limit.Token);
        Assert.Equal("{}", (await instance.Qga!.CallAsync("guest-ping", cancellationToken: _limit.Token)).ToString());
    }
}
