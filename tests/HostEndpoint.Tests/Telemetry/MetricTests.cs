using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Policy;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;

namespace ChannelSdk.HostEndpoint.Tests.Telemetry;

public partial class MetricTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task Links_sessions_and_bytes_of_an_instance_are_measured()
    {
        using var measured = new Measured();
        using var log = new LogLines();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured, LoggerFactory = log });
        var guest = new GuestDouble();
        var instance = host.Attach("vm1", guest.Uri);
        host.Attach("vm2", "unix:///nonexistent/vm2");
        await instance.WaitReadyAsync(Soon);
        Assert.Equal(1, measured.Sum("channelsdk.link.up", ("channelsdk.instance", "vm1")));
        Assert.Equal(0, measured.Sum("channelsdk.link.up", ("channelsdk.instance", "vm2")));
        Assert.Equal(1, measured.Sum("channelsdk.instances", ("channelsdk.reachability", "up")));
        Assert.Equal(1, measured.Sum("channelsdk.instances", ("channelsdk.reachability", "never_connected")));
        Assert.Equal(instance.Status.Channel.BytesIn, measured.Sum("channelsdk.io", ("channelsdk.instance", "vm1"), ("network.io.direction", "receive")), 1000.0);
        instance.DropLink("a test");
        await instance.Info.PingAsync(Soon);
        await guest.DisposeAsync();
        // What is logged was counted before.
        await log.WaitForAsync(HostLogEvent.SessionLost, Soon);
        foreach (var name in (string[])["channelsdk.session.starts", "channelsdk.session.resumes", "channelsdk.session.losses"])
        {
            Assert.Equal(1, measured.Sum(name, ("channelsdk.instance", "vm1")));
        }

        Assert.InRange(measured.Sum("channelsdk.link.losses", ("channelsdk.instance", "vm1")), 1, 2);
        Assert.InRange(measured.Sum("channelsdk.endpoint.failures", ("channelsdk.instance", "vm2"), ("error.type", "EndpointMissing")), 1, 1);
    }

    [Fact]
    public async Task Calls_are_measured_by_method_and_outcome()
    {
        using var measured = new Measured();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        await instance.Info.PingAsync(Soon);
        await instance.Info.PingAsync(Soon);
        await instance.Measure.SendAsync(100_000, null, Soon);
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.ThawAsync(cancellationToken: Soon));
        Assert.Equal(2, measured.Sum("channelsdk.calls", ("channelsdk.instance", "vm1"), ("rpc.method", "info.Ping"), ("channelsdk.outcome", "ok")));
        Assert.Equal(1, measured.Sum("channelsdk.calls", ("rpc.method", "measure.Sink"), ("channelsdk.outcome", "ok")));
        Assert.Equal(1, measured.Sum("channelsdk.calls", ("rpc.method", "freeze.Thaw"), ("channelsdk.outcome", "FailedPrecondition")));
        Assert.InRange(measured.Sum("channelsdk.call.duration", ("rpc.method", "info.Ping")), 1e-6, 10);
        Assert.Equal(4, measured.Count("channelsdk.call.duration"));
        Assert.Equal(1, measured.Sum("channelsdk.freeze.changes", ("channelsdk.freeze.change", "failed")));
    }

    [Fact]
    public async Task A_code_that_only_the_guest_knows_makes_no_new_value()
    {
        using var measured = new Measured();
        await using var guest = new GuestDouble { PowerRefusal = new ChannelException((ChannelError)54321, ErrorClass.Refused, "no") };
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var instance = host.Attach("vm1", guest.Uri);
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Power.HaltAsync("", Soon));
        Assert.Equal(1, measured.Sum("channelsdk.calls", ("channelsdk.outcome", "_OTHER")));
        Assert.Equal(1, measured.Count("channelsdk.calls"));
    }

    [Fact]
    public async Task Refusals_are_counted_in_both_directions_and_a_guest_makes_no_method_names()
    {
        using var measured = new Measured();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Policy = new HostPolicy { HostMay = ["info.*"] } });
        await instance.WaitReadyAsync(Soon);
        for (var i = 0; i < 30; i++)
        {
            var missing = new RpcMethod<PowerCommand, PowerCommand>($"evil.Method{i}", StreamClass.Rpc);
            await Assert.ThrowsAsync<ChannelException>(async () => await guest.Channel.CallAsync(missing, new PowerCommand(), cancellationToken: Soon));
        }

        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Time.DriftAsync(Soon));
        Assert.Equal(1, measured.Sum("channelsdk.calls.refused", ("channelsdk.direction", "to_guest"), ("rpc.method", "time.Get")));
        Assert.Equal(30, measured.Sum("channelsdk.calls.refused", ("channelsdk.direction", "to_host"), ("rpc.method", "_OTHER")));
    }

    [Fact]
    public async Task A_guest_over_its_rate_limit_and_a_watcher_who_does_not_read_are_counted()
    {
        using var measured = new Measured();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var bounds = new ChannelOptions { EventBacklog = 2, Session = new SessionOptions { TotalLimit = new RateLimit(MessagesPerSecond: 20, MessagesBurst: 5) } };
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Channel = bounds });
        var unread = instance.WatchAsync(Soon);
        for (var i = 0; i < 20 && measured.Sum("channelsdk.link.receive_pauses") == 0; i++)
        {
            await instance.Info.PingAsync(Soon);
        }

        Assert.InRange(measured.Sum("channelsdk.link.receive_pauses", ("channelsdk.instance", "vm1")), 1, 1000);
        Assert.InRange(measured.Sum("channelsdk.events.dropped", ("channelsdk.instance", "vm1")), 1, 1000);
        GC.KeepAlive(unread);
    }

    [Fact]
    public async Task A_listener_that_fails_ends_no_call()
    {
        using var measured = new Measured { Failure = new InvalidOperationException("the exporter is broken") };
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var instance = host.Attach("vm1", guest.Uri);
        await instance.Info.PingAsync(Soon);
        await instance.Info.PingAsync(Soon);
    }

    [Fact]
    public void Measuring_a_call_allocates_nothing_without_a_listener()
    {
        using var measured = new Measured(isHeard: false);
        using var metrics = new HostMetrics(measured, () => []);
        var observer = new InstanceTelemetry("vm1", Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, metrics, TimeProvider.System);
        Assert.False(observer.IsEnabled);
        observer.OnCallEnded(InfoMethods.Ping, TimeSpan.FromMilliseconds(1), ChannelError.Cancelled);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            if (observer.IsEnabled)
            {
                observer.OnCallEnded(InfoMethods.Ping, TimeSpan.FromMilliseconds(1), ChannelError.Cancelled);
            }
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public async Task The_documentation_has_the_instruments_with_their_kinds_and_units_and_no_others()
    {
        using var measured = new Measured();
        await using var host = new ChannelHost(new ChannelHostOptions { MeterFactory = measured });
        var documented = Row().Matches(Documents.Read("OPERATIONS.md")).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value} {match.Groups[3].Value}");
        Assert.Equal(measured.Instruments.Select(one => $"{one.Name} {KindOf(one)} {one.Unit}").Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
        Assert.All(measured.Instruments, one => Assert.Equal("ChannelSdk.Host", one.Meter.Name));

        static string KindOf(Instrument one) => one switch
        {
            ObservableUpDownCounter<long> => "up-down counter",
            Histogram<double> => "histogram",
            _ => "counter",
        };
    }

    [GeneratedRegex(@"^\| `(channelsdk\.[\w.]+)` \| ([\w -]+) \| (\S+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
