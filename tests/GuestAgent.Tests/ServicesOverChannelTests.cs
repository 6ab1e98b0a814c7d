using System.Collections.Concurrent;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Gate;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Measure;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Relay;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Storage;
using ChannelSdk.GuestAgent.Time;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Power;
using ChannelSdk.Services.Storage;
using ChannelSdk.Services.Time;
using ChannelSdk.Transports.InMemory;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The agent's services as a host sees them, over a real channel in one process.</summary>
public sealed class ServicesOverChannelTests : IAsyncLifetime, IDisposable
{
    private readonly InMemoryPair _pair = new();
    private readonly FakePowerPlatform _platform = new();
    private readonly CancellationTokenSource _timeout = new(TimeSpan.FromSeconds(60));
    private readonly Channel _guest;
    private readonly Channel _host;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly AgentPolicy _policy;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-test-");
    private readonly FakeFreezePlatform _freezePlatform = new();
    private readonly FakeClock _clock = new();
    private readonly FreezeControl _freeze;
    private readonly ManualResetEventSlim _fileSystems = new(initialState: true);

    public ServicesOverChannelTests()
    {
        var time = TimeProvider.System;
        var log = new AgentLog(_lines.Enqueue, time, withTime: false) { Rate = 1000 };
        _policy = new AgentPolicy(new PolicyRules(), new AuditLog(log));
        var services = new ServiceRegistry();
        var gate = new ServiceGate(services, _policy, new ServicePermissions(() => _policy.Current).WhyNot);
        var power = new PowerService(_platform, state => _guest!.SetState(state), () => Task.CompletedTask, log, time);
        var info = new InfoService(new GuestFacts("1.2.3", 1, time, new FileSystemFacts(AskFileSystem)), () => gate.Allowed, () => _policy.Current, time);
        var run = new FreezeRun(_freezePlatform, new FreezeMarker($"{_folder.FullName}/frozen"), () => new HookFolder("/nonexistent", TimeSpan.Zero),
            new ProcessGate(new FakeGatePlatform()), new SystemInhibitor("/nonexistent", "/nonexistent"), log);
        _freeze = new FreezeControl(run,
            () => _guest!.Status is { LinkState: LinkState.Up, SessionId: { } id } ? id : null, (state, until) => _guest!.SetState(state, until), log, time);
        var install = new InstallService(_folder.FullName, static _ => { }, () => ProxyRelay.Start(_guest!, log), log);
        foreach (var service in (ReadOnlySpan<IAgentService>)
        [
            info, power, new FreezeService(new FreezeOptions(() => TimeSpan.FromMinutes(10)), _freeze), new TimeService(_clock.Set, time), new TrimService(_freezePlatform), new MeasureService(time),
            new FilesService(_policy, log, time), new ExecService(_policy, static () => 32, log, static () => null), install, new OverlayService(install, static () => 0, log),
        ])
        {
            service.Register(gate);
        }

        _guest = new Channel(PeerRole.Guest, _pair.Guest, services, GuestOptions.For(new AgentConfig(), gate));
        _host = new Channel(PeerRole.Host, _pair.Host, new ServiceRegistry());
    }

    private FileSystemFigures AskFileSystem(MountEntry mount)
    {
        _fileSystems.Wait();
        return FileSystemFigures.Of(mount);
    }

    public async Task InitializeAsync()
    {
        _guest.Start();
        _host.Start();
        await _host.WaitReadyAsync(_timeout.Token);
    }

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        await _guest.DisposeAsync();
        await _pair.DisposeAsync();
    }

    public void Dispose()
    {
        _fileSystems.Set();
        _timeout.Dispose();
        _freeze.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_ping_comes_back_with_the_guests_time()
    {
        var before = DateTimeOffset.UtcNow;
        var reply = await CallAsync(InfoMethods.Ping, new PingRequest { Payload = ByteString.CopyFromUtf8("hello") });

        Assert.Equal("hello", reply.Payload.ToStringUtf8());
        var earliest = (before - DateTimeOffset.UnixEpoch).Ticks * 100;
        Assert.InRange(reply.GuestTimeUnixNs, earliest, earliest + 60_000_000_000);
    }

    [Fact]
    public async Task A_ping_of_more_than_4096_bytes_is_refused()
    {
        var request = new PingRequest { Payload = ByteString.CopyFrom(new byte[4097]) };

        Assert.Equal(ChannelError.InvalidArgument, await CodeOfAsync(CallAsync(InfoMethods.Ping, request)));
    }

    [Fact]
    public async Task Info_tells_who_the_guest_is()
    {
        var info = await CallAsync(InfoMethods.Get, new InfoRequest());

        Assert.Equal("1.2.3", info.Agent.Version);
        Assert.Equal((uint)Environment.ProcessId, info.Agent.Pid);
        Assert.True(info.Agent.RssBytes > 1 << 20);
        Assert.Equal("Linux", info.Kernel.Name);
        Assert.NotEmpty(info.HostName);
        Assert.True(Guid.TryParse(info.BootId, out _), info.BootId);
        Assert.True(info.UptimeMs > 0);
        Assert.InRange(info.Memory.AvailableBytes, 1UL, info.Memory.TotalBytes);
        Assert.Equal(
            [
                "files.List", "files.Read", "files.Stat", "freeze.Freeze", "freeze.Renew", "freeze.Status", "freeze.Thaw",
                "info.Get", "info.Ping", "measure.Echo", "measure.Sink", "measure.Source", "power.Request", "storage.Trim",
                "time.Get", "time.Set",
            ],
            info.Methods);
    }

    [Fact]
    public async Task While_a_file_system_is_silent_power_time_and_thaw_are_answered_and_info_says_which_it_is()
    {
        _fileSystems.Reset();
        var info = CallAsync(InfoMethods.Get, new InfoRequest());
        await CallAsync(InfoMethods.Ping, new PingRequest());
        await CallAsync(TimeMethods.Get, new TimeRequest());
        Assert.Equal(ChannelError.FailedPrecondition, await CodeOfAsync(CallAsync(FreezeMethods.Thaw, new ThawRequest())));
        Assert.True((await CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Shutdown })).Accepted);
        Assert.Contains((await info).FileSystems, static entry => entry is { Mount: "/", Silent: "/", TotalBytes: 0 });
    }

    [Fact]
    public async Task What_the_policy_denies_is_not_listed_and_refused_at_once_after_a_change()
    {
        _policy.Current = new PolicyRules { AllowPower = false, AllowMeasure = false };

        var info = await CallAsync(InfoMethods.Get, new InfoRequest());

        Assert.DoesNotContain("power.Request", info.Methods);
        Assert.DoesNotContain("measure.Echo", info.Methods);
        Assert.Equal(ChannelError.PermissionDenied,
            await CodeOfAsync(CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Shutdown })));
        Assert.Equal(ChannelError.PermissionDenied, await CodeOfAsync(CallAsync(MeasureMethods.Echo, new EchoRequest())));
        await using var sink = await _host.OpenStreamAsync(MeasureMethods.Sink, new SinkRequest(), default, _timeout.Token);
        Assert.Equal(ChannelError.PermissionDenied, (await Assert.ThrowsAsync<ChannelException>(() => sink.ReadAsync(_timeout.Token).AsTask())).Code);
    }

    [Fact]
    public async Task A_method_that_the_policy_file_denies_is_not_listed_refused_and_noted()
    {
        _policy.Current = ConfigReader.Parse(
            "[services]\nallow = [\"info.*\", \"power.Request\"]\ndeny = [\"info.Ping\"]"u8, "p", new AgentConfig(), new AgentNames(["info.Ping", "power.Request"], [])).Policy;

        var info = await CallAsync(InfoMethods.Get, new InfoRequest());

        Assert.Equal(["info.Get", "power.Request"], info.Methods);
        Assert.Equal(["/"], info.Policy.Readable);
        Assert.Empty(info.Policy.Writable);
        Assert.Equal(ChannelError.PermissionDenied, await CodeOfAsync(CallAsync(MeasureMethods.Echo, new EchoRequest())));
        Assert.Contains("channel-agent: audit: refused measure.Echo: the image's policy does not allow measure.Echo", _lines);
    }

    [Fact]
    public async Task Info_tells_which_programs_arguments_and_variables_the_policy_allows()
    {
        _policy.Current = ConfigReader.Parse(
            "[[exec]]\nprogram = \"/bin/a\"\narguments = [\"x\", \"...\"]\nenvironment = [\"NAME\", \"APP_*\"]\n[[exec]]\nprogram = \"/bin/b\"\n"u8, "p", new AgentConfig(), names: null).Policy;

        var info = await CallAsync(InfoMethods.Get, new InfoRequest());

        Assert.Equal(["/bin/a", "/bin/b"], info.Policy.Commands.Select(static command => command.Program));
        Assert.Equal(["x", "..."], info.Policy.Commands[0].Arguments);
        Assert.Equal(["NAME", "APP_*"], info.Policy.Commands[0].Environment);
        Assert.Empty(info.Policy.Commands[1].Environment);
    }

    [Fact]
    public async Task A_privileged_call_is_noted_and_a_harmless_one_is_not()
    {
        await CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Halt });
        await CallAsync(InfoMethods.Ping, new PingRequest());

        Assert.Equal(["channel-agent: audit: allowed power.Request"], _lines.Where(line => line.Contains("audit", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task While_frozen_only_the_way_out_is_answered_and_the_heartbeats_say_until_when()
    {
        var events = _host.WatchAsync(_timeout.Token);
        var frozen = await CallAsync(FreezeMethods.Freeze, new FreezeRequest { LeaseMs = 60_000 });
        Assert.Equal(FreezeState.Frozen, frozen.State);

        await foreach (var next in events)
        {
            if (next.Heartbeat is { State: StateWord.Frozen, Until: { } until })
            {
                Assert.InRange(until - DateTimeOffset.UtcNow, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60));
                break;
            }
        }

        var refused = await Assert.ThrowsAsync<ChannelException>(() => CallAsync(InfoMethods.Get, new InfoRequest()));
        Assert.Equal((ChannelError.FailedPrecondition, ErrorClass.Retry), (refused.Code, refused.Class));
        Assert.Contains("the guest is frozen, by itself no longer than", refused.Message, StringComparison.Ordinal);
        await CallAsync(InfoMethods.Ping, new PingRequest());
        Assert.Equal(FreezeState.Frozen, (await CallAsync(FreezeMethods.Status, new FreezeStatusRequest())).State);
        Assert.Equal(FreezeState.Frozen, (await CallAsync(FreezeMethods.Renew, new RenewRequest { LeaseMs = 50_000 })).State);

        Assert.Equal(FreezeState.Thawed, (await CallAsync(FreezeMethods.Thaw, new ThawRequest())).State);
        Assert.NotEmpty((await CallAsync(InfoMethods.Get, new InfoRequest())).Methods);
    }

    [Fact]
    public async Task An_echo_of_any_size_comes_back()
    {
        foreach (var size in (int[])[0, 1, 1000, 40_000])
        {
            var payload = new byte[size];
            MeasurePattern.Fill(payload, 7);
            var reply = await CallAsync(MeasureMethods.Echo, new EchoRequest { Payload = ByteString.CopyFrom(payload) });
            Assert.Equal(payload, reply.Payload.ToByteArray());
        }
    }

    [Fact]
    public async Task The_sink_reports_bytes_messages_and_their_checksum()
    {
        await using var stream = await _host.OpenStreamAsync(MeasureMethods.Sink, new SinkRequest(), default, _timeout.Token);
        var bytes = new byte[300_000];
        MeasurePattern.Fill(bytes, 0);
        for (var offset = 0; offset < bytes.Length; offset += 30_000)
        {
            await stream.WriteAsync(bytes.AsMemory(offset, 30_000), _timeout.Token);
        }

        await stream.CompleteAsync(_timeout.Token);

        SinkReport report;
        using (var message = await stream.ReadAsync(_timeout.Token))
        {
            report = SinkReport.Parser.ParseFrom(message.Span);
        }

        Assert.Equal(300_000UL, report.Bytes);
        Assert.Equal(10UL, report.Messages);
        Assert.Equal(MeasureChecksum.Finish(MeasureChecksum.Append(MeasureChecksum.Start, bytes)), report.Crc32C);
        Assert.True(report.ElapsedNs > 0);
        Assert.True((await stream.ReadAsync(_timeout.Token)).IsEnd);
    }

    [Theory]
    [InlineData(0UL, 0U)]
    [InlineData(1UL, 1U)]
    [InlineData(100_001UL, 1_000U)]
    [InlineData(2_000_000UL, 0U)]
    public async Task The_source_sends_as_much_of_the_pattern_as_was_asked_for(ulong bytes, uint chunk)
    {
        var request = new SourceRequest { Bytes = bytes, ChunkBytes = chunk };
        await using var stream = await _host.OpenStreamAsync(MeasureMethods.Source, request, default, _timeout.Token);
        await stream.CompleteAsync(_timeout.Token);
        ulong got = 0;
        while (true)
        {
            using var message = await stream.ReadAsync(_timeout.Token);
            if (message.IsEnd)
            {
                break;
            }

            Assert.True(MeasurePattern.Matches(message.Span, got), $"at byte {got}");
            got += (ulong)message.Span.Length;
        }

        Assert.Equal(bytes, got);
    }

    [Theory]
    [InlineData((1UL << 40) + 1, 0U)]
    [InlineData(1UL, 65537U)]
    public async Task A_source_beyond_its_bounds_is_refused(ulong bytes, uint chunk)
    {
        var request = new SourceRequest { Bytes = bytes, ChunkBytes = chunk };
        await using var stream = await _host.OpenStreamAsync(MeasureMethods.Source, request, default, _timeout.Token);

        var e = await Assert.ThrowsAsync<ChannelException>(() => stream.ReadAsync(_timeout.Token).AsTask());
        Assert.Equal(ChannelError.InvalidArgument, e.Code);
    }

    [Fact]
    public async Task Shutdown_is_accepted_and_the_host_then_sees_stopping()
    {
        _platform.Paths.Add("/sbin/poweroff");
        var events = _host.WatchAsync(_timeout.Token);
        await using var watcher = events.GetAsyncEnumerator(_timeout.Token);

        var reply = await CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Shutdown });

        Assert.True(reply.Accepted);
        Assert.Equal("/sbin/poweroff", reply.How);
        do
        {
            Assert.True(await watcher.MoveNextAsync());
        }
        while (watcher.Current.Heartbeat?.State != StateWord.Stopping);
        Assert.Equal(ChannelError.FailedPrecondition,
            await CodeOfAsync(CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Reboot })));
    }

    [Fact]
    public async Task The_clock_is_set_within_its_range_and_the_move_is_told()
    {
        var future = (DateTimeOffset.UtcNow.AddHours(1) - DateTimeOffset.UnixEpoch).Ticks * 100;

        var reply = await CallAsync(TimeMethods.Set, new TimeSetRequest { UnixNs = future });

        Assert.Equal(future, _clock.SetTo);
        Assert.InRange(reply.MovedNs, 3_500_000_000_000, 3_600_000_000_000);
        Assert.True((await CallAsync(TimeMethods.Get, new TimeRequest())).MonotonicNs > 0);
        Assert.Equal(ChannelError.InvalidArgument, await CodeOfAsync(CallAsync(TimeMethods.Set, new TimeSetRequest { UnixNs = 1 })));
        Assert.Equal(ChannelError.InvalidArgument, await CodeOfAsync(CallAsync(TimeMethods.Set, new TimeSetRequest { UnixNs = long.MaxValue })));
        _clock.Error = 1;
        Assert.Equal(ChannelError.Unsupported, await CodeOfAsync(CallAsync(TimeMethods.Set, new TimeSetRequest { UnixNs = future })));
    }

    [Fact]
    public async Task A_trim_tells_what_each_file_system_gave_back()
    {
        _freezePlatform.TrimErrors["/"] = 95;

        var reply = await CallAsync(StorageMethods.Trim, new TrimRequest());

        Assert.Equal([("/data", 4096UL, ""), ("/", 0UL, "the file system or its storage cannot be trimmed")],
            reply.Mounts.Select(m => (m.Mount, m.TrimmedBytes, m.Reason)));
        Assert.Equal(0, _freezePlatform.OpenHandles);
        Assert.Equal(ChannelError.NotFound, await CodeOfAsync(CallAsync(StorageMethods.Trim, new TrimRequest { Mounts = { "/nowhere" } })));
    }

    private sealed class FakeClock
    {
        public long SetTo { get; private set; }

        public int Error { get; set; }

        public int Set(long unixNanoseconds)
        {
            SetTo = unixNanoseconds;
            return Error;
        }
    }

    private async Task<TReply> CallAsync<TRequest, TReply>(RpcMethod<TRequest, TReply> method, TRequest request)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() =>
        await _host.CallAsync(method, request, default, _timeout.Token);

    private static async Task<ChannelError> CodeOfAsync<T>(Task<T> call) => (await Assert.ThrowsAsync<ChannelException>(() => call)).Code;
}
