using System.Collections.Concurrent;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Status;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Agent;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The whole daemon in the test's process, on Unix sockets.</summary>
public sealed class AgentDaemonTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-test-");
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(60));
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly AgentLog _log;
    private readonly AgentConfig _config;
    private readonly FakeFreezePlatform _freeze = new();
    private Func<AgentConfig> _load;

    public AgentDaemonTests()
    {
        _log = new AgentLog(_lines.Enqueue, TimeProvider.System, withTime: false) { Rate = 1000 };
        _config = new AgentConfig
        {
            Endpoint = $"unix-listen://{_folder.FullName}/host.sock",
            ControlSocket = $"{_folder.FullName}/run/control.sock",
            LogRate = 1000,
        };
        _load = () => _config;
    }

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _timeout.Dispose();
    }

    [Fact]
    public async Task It_becomes_ready_answers_status_and_stops_cleanly()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using (var control = Dial(_config.ControlSocket!))
        {
            var before = await StatusAsync(control);
            Assert.Equal("ready", before.State);
            Assert.Equal(ExitCode.NotConnected, StatusRenderer.ExitCodeOf(before));

            await using var host = Dial($"{_folder.FullName}/host.sock");
            await host.WaitReadyAsync(_timeout.Token);
            await host.CallAsync(InfoMethods.Ping, new PingRequest(), default, _timeout.Token);

            Assert.Equal((int)AgentVersion.Protocol, host.Status.Version);
            var after = await StatusAsync(control);
            Assert.Equal(ExitCode.Success, StatusRenderer.ExitCodeOf(after));
            Assert.Equal(_config.Endpoint, after.Endpoint);
            Assert.Equal(32, after.Session.Length);
            Assert.True(after.BytesIn > 0 && after.BytesOut > 0);
        }

        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);

        Assert.Contains(_lines, line => line.Contains("stopping: the test", StringComparison.Ordinal));
        Assert.Equal("channel-agent: info: stopped", _lines.Last());
        Assert.False(File.Exists(_config.ControlSocket));
    }

    [Fact]
    public async Task The_control_socket_and_its_folder_belong_to_the_owner_alone()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using var control = Dial(_config.ControlSocket!);
        await StatusAsync(control);

        const UnixFileMode owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Assert.Equal(owner, File.GetUnixFileMode(_config.ControlSocket!));
        Assert.Equal(owner | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder.FullName + "/run"));
        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);
    }

    [Fact]
    public async Task The_host_does_not_find_the_local_status_method()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using var host = Dial($"{_folder.FullName}/host.sock");

        var e = await Assert.ThrowsAsync<ChannelException>(() => StatusAsync(host));

        Assert.Equal(ChannelError.UnknownMethod, e.Code);
        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);
    }

    [Fact]
    public async Task A_reload_takes_policy_and_log_settings_and_keeps_the_rest()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using var control = Dial(_config.ControlSocket!);
        _load = () => _config with { Policy = new PolicyRules { AllowPower = false }, LogLevel = LogLevel.Debug, Endpoint = "unix:///elsewhere" };

        daemon.Reload();

        var status = await StatusAsync(control);
        Assert.DoesNotContain("power.Request", status.Methods);
        Assert.Equal(_config.Endpoint, status.Endpoint);
        Assert.Equal(LogLevel.Debug, _log.Level);
        Assert.Contains(_lines, line => line.Contains("take effect at the next start", StringComparison.Ordinal));
        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);
    }

    [Fact]
    public async Task A_reload_with_an_error_tells_it_and_changes_nothing()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using var control = Dial(_config.ControlSocket!);
        _load = () => ConfigReader.Parse("[permissions]\npower = false\npowr = false"u8, "agent.toml", _config, names: null);

        daemon.Reload();

        Assert.Contains("power.Request", (await StatusAsync(control)).Methods);
        Assert.Contains("channel-agent: error: agent.toml:3: unknown key 'powr' in [permissions]; did you mean 'power'?", _lines);
        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);
    }

    [Fact]
    public async Task An_agent_that_stops_while_frozen_thaws_first_and_a_reload_waits_for_the_thaw()
    {
        await using var daemon = Daemon();
        var running = daemon.RunAsync();
        await using var host = Dial($"{_folder.FullName}/host.sock");
        await host.WaitReadyAsync(_timeout.Token);
        await host.CallAsync(FreezeMethods.Freeze, new FreezeRequest { LeaseMs = 60_000 }, default, _timeout.Token);
        Assert.Equal(2, _freeze.Frozen.Count);
        _load = () => throw new InvalidOperationException("the configuration was read while frozen");

        daemon.Reload();
        _load = () => _config;
        daemon.Stop("the test");
        await running.WaitAsync(_timeout.Token);

        Assert.Empty(_freeze.Frozen);
        Assert.Contains("channel-agent: info: configuration and policy were read again", _lines);
    }

    [Fact]
    public void A_wrong_endpoint_is_told_before_anything_runs()
    {
        var e = Assert.Throws<ChannelException>(() => new AgentDaemon(
            _ => _config with { Endpoint = "nonsense" }, System, _log, TimeProvider.System));

        Assert.Equal(ChannelError.BadEndpointUri, e.Code);
    }

    private GuestSystem System => new(new FakePowerPlatform(), _freeze, new FreezeMarker($"{_folder.FullName}/frozen"), static _ => 0) { Repair = new FakeRepair() };

    private AgentDaemon Daemon() => new(_ => _load(), System, _log, TimeProvider.System);

    private static Channel Dial(string path)
    {
        var channel = new Channel(PeerRole.Host, TransportEndpoints.Create("unix://" + path), new ServiceRegistry());
        channel.Start();
        return channel;
    }

    private async Task<AgentStatus> StatusAsync(Channel channel)
    {
        await channel.WaitReadyAsync(_timeout.Token);
        return await channel.CallAsync(AgentMethods.Status, new AgentStatusRequest(), default, _timeout.Token);
    }
}
