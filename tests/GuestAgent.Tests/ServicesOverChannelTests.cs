using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Services;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
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
    private AgentConfig _config = new();

    public ServicesOverChannelTests()
    {
        TimeProvider time = TimeProvider.System;
        var log = new AgentLog(static _ => { }, time, withTime: false);
        var power = new PowerService(() => _config, _platform, state => _guest!.SetState(state), () => Task.CompletedTask, log, time);
        var info = new InfoService(new GuestFacts("1.2.3", 1, time), () => HostServices.Allowed(_config), time);
        var policy = new ConfigAccessPolicy(() => _config);
        ServiceRegistry services = HostServices.Register(info, power, new MeasureService(() => _config, time),
            new FilesService(policy, log, time), new ExecService(policy, log));
        _guest = new Channel(PeerRole.Guest, _pair.Guest, services, GuestOptions.For(_config));
        _host = new Channel(PeerRole.Host, _pair.Host, new ServiceRegistry());
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

    public void Dispose() => _timeout.Dispose();

    [Fact]
    public async Task A_ping_comes_back_with_the_guests_time()
    {
        var before = DateTimeOffset.UtcNow;
        PingReply reply = await CallAsync(ServiceMethods.InfoPing, new PingRequest { Payload = ByteString.CopyFromUtf8("hello") });

        Assert.Equal("hello", reply.Payload.ToStringUtf8());
        long earliest = (before - DateTimeOffset.UnixEpoch).Ticks * 100;
        Assert.InRange(reply.GuestTimeUnixNs, earliest, earliest + 60_000_000_000);
    }

    [Fact]
    public async Task A_ping_of_more_than_4096_bytes_is_refused()
    {
        var request = new PingRequest { Payload = ByteString.CopyFrom(new byte[4097]) };

        Assert.Equal(ChannelError.InvalidArgument, await CodeOfAsync(CallAsync(ServiceMethods.InfoPing, request)));
    }

    [Fact]
    public async Task Info_tells_who_the_guest_is()
    {
        GuestInfo info = await CallAsync(ServiceMethods.InfoGet, new InfoRequest());

        Assert.Equal("1.2.3", info.Agent.Version);
        Assert.Equal((uint)Environment.ProcessId, info.Agent.Pid);
        Assert.True(info.Agent.RssBytes > 1 << 20);
        Assert.Equal("Linux", info.Kernel.Name);
        Assert.NotEmpty(info.HostName);
        Assert.True(Guid.TryParse(info.BootId, out _), info.BootId);
        Assert.True(info.UptimeMs > 0);
        Assert.InRange(info.Memory.AvailableBytes, 1UL, info.Memory.TotalBytes);
        Assert.Equal(["info.Ping", "info.Get", "power.Request", "measure.Echo", "measure.Sink", "measure.Source", "files.Stat", "files.List", "files.Read"], info.Methods);
    }

    [Fact]
    public async Task What_the_policy_denies_is_not_listed_and_refused_at_once_after_a_change()
    {
        _config = new AgentConfig { AllowPower = false, AllowMeasure = false, FilesRead = "none" };

        GuestInfo info = await CallAsync(ServiceMethods.InfoGet, new InfoRequest());

        Assert.Equal(["info.Ping", "info.Get"], info.Methods);
        Assert.Equal(ChannelError.PermissionDenied,
            await CodeOfAsync(CallAsync(ServiceMethods.PowerRequest, new PowerCommand { Action = PowerAction.Shutdown })));
        Assert.Equal(ChannelError.PermissionDenied, await CodeOfAsync(CallAsync(ServiceMethods.MeasureEcho, new EchoRequest())));
        await using ChannelStream sink = await _host.OpenStreamAsync(ServiceMethods.MeasureSink, new SinkRequest(), default, _timeout.Token);
        Assert.Equal(ChannelError.PermissionDenied, (await Assert.ThrowsAsync<ChannelException>(() => sink.ReadAsync(_timeout.Token).AsTask())).Code);
    }

    [Fact]
    public async Task An_echo_of_any_size_comes_back()
    {
        foreach (int size in (int[])[0, 1, 1000, 40_000])
        {
            byte[] payload = new byte[size];
            MeasurePattern.Fill(payload, 7);
            EchoReply reply = await CallAsync(ServiceMethods.MeasureEcho, new EchoRequest { Payload = ByteString.CopyFrom(payload) });
            Assert.Equal(payload, reply.Payload.ToByteArray());
        }
    }

    [Fact]
    public async Task The_sink_reports_bytes_messages_and_their_checksum()
    {
        await using ChannelStream stream = await _host.OpenStreamAsync(ServiceMethods.MeasureSink, new SinkRequest(), default, _timeout.Token);
        byte[] bytes = new byte[300_000];
        MeasurePattern.Fill(bytes, 0);
        for (int offset = 0; offset < bytes.Length; offset += 30_000)
        {
            await stream.WriteAsync(bytes.AsMemory(offset, 30_000), _timeout.Token);
        }
        await stream.CompleteAsync(_timeout.Token);

        SinkReport report;
        using (ReceivedMessage message = await stream.ReadAsync(_timeout.Token))
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
        await using ChannelStream stream = await _host.OpenStreamAsync(ServiceMethods.MeasureSource, request, default, _timeout.Token);
        await stream.CompleteAsync(_timeout.Token);
        ulong got = 0;
        while (true)
        {
            using ReceivedMessage message = await stream.ReadAsync(_timeout.Token);
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
        await using ChannelStream stream = await _host.OpenStreamAsync(ServiceMethods.MeasureSource, request, default, _timeout.Token);

        var e = await Assert.ThrowsAsync<ChannelException>(() => stream.ReadAsync(_timeout.Token).AsTask());
        Assert.Equal(ChannelError.InvalidArgument, e.Code);
    }

    [Fact]
    public async Task Shutdown_is_accepted_and_the_host_then_sees_stopping()
    {
        _platform.Paths.Add("/sbin/poweroff");
        IAsyncEnumerable<ChannelEvent> events = _host.WatchAsync(_timeout.Token);
        await using IAsyncEnumerator<ChannelEvent> watcher = events.GetAsyncEnumerator(_timeout.Token);

        PowerReply reply = await CallAsync(ServiceMethods.PowerRequest, new PowerCommand { Action = PowerAction.Shutdown });

        Assert.True(reply.Accepted);
        Assert.Equal("/sbin/poweroff", reply.How);
        do
        {
            Assert.True(await watcher.MoveNextAsync());
        }
        while (watcher.Current.Heartbeat?.State != StateWord.Stopping);
        Assert.Equal(ChannelError.FailedPrecondition,
            await CodeOfAsync(CallAsync(ServiceMethods.PowerRequest, new PowerCommand { Action = PowerAction.Reboot })));
    }

    private async Task<TReply> CallAsync<TRequest, TReply>(RpcMethod<TRequest, TReply> method, TRequest request)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() =>
        await _host.CallAsync(method, request, default, _timeout.Token);

    private static async Task<ChannelError> CodeOfAsync<T>(Task<T> call) => (await Assert.ThrowsAsync<ChannelException>(() => call)).Code;
}
