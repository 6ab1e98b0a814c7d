using System.Diagnostics.Metrics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.DependencyInjection;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.HostEndpoint.Tests.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ChannelSdk.HostEndpoint.Tests;

public class ChannelHostTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task An_embedders_own_scheme_is_attached_by_its_uri()
    {
        await using var guest = new GuestDouble();
        var schemes = ChannelHostOptions.DefaultSchemes.With(new EndpointScheme("cloud", TargetForm.NameOrPath, "cloud://vm1", uri => TransportEndpoints.Create(guest.Uri)));
        await using var host = new ChannelHost(new ChannelHostOptions { Schemes = schemes });
        await host.Attach("vm1", "cloud://vm1").WaitReadyAsync(Soon);
        var error = Assert.Throws<ChannelException>(() => host.Attach("vm2", "clout://vm2"));
        Assert.Contains("did you mean 'cloud'", error.Message);
        await using var other = new ChannelHost();
        Assert.Equal(ChannelError.BadEndpointUri, Assert.Throws<ChannelException>(() => other.Attach("vm1", "cloud://vm1")).Code);
    }

    [Fact]
    public void The_hosts_table_has_the_scheme_of_the_qemu_guest_agent() => Assert.Contains("qga", ChannelHostOptions.DefaultSchemes.Names);

    [Fact]
    public async Task An_instance_that_is_attached_without_options_has_the_hosts()
    {
        await using var host = new ChannelHost(new ChannelHostOptions { DefaultInstance = new InstanceOptions { CallTimeout = TimeSpan.FromMilliseconds(50) } });
        var instance = host.Attach("vm1", "unix:///nonexistent/x");
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(5), cancellationToken: Soon));
        Assert.Equal(ChannelError.DeadlineExceeded, error.Code);
        Assert.NotNull(new ChannelHostOptions().DefaultInstance.Channel.Session.TotalLimit);
    }

    [Fact]
    public async Task A_wait_that_ends_by_its_time_says_why_there_is_no_agent()
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "virtio-serial:///nonexistent/vm1.sock");
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.WaitReadyAsync(TimeSpan.FromMilliseconds(300)));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (error.Code, error.Class));
        Assert.Contains("/nonexistent/vm1.sock", error.Message);
        Assert.Contains("vm1's agent was not there within 0.3 s", error.Message);
        Assert.Equal(ChannelError.EndpointMissing, Assert.IsType<ChannelException>(error.InnerException).Code);
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_says_why_there_is_no_agent()
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "virtio-serial:///nonexistent/vm1.sock");
        using var soon = new CancellationTokenSource(300);
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await instance.WaitReadyAsync(soon.Token));
        Assert.Equal(soon.Token, error.CancellationToken);
        Assert.Contains("/nonexistent/vm1.sock", error.Message);
        Assert.Equal(ChannelError.EndpointMissing, Assert.IsType<ChannelException>(error.InnerException).Code);
    }

    [Fact]
    public async Task Every_time_of_an_instance_is_by_the_hosts_clock()
    {
        var clock = new ShiftedClock();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { TimeProvider = clock });
        var instance = host.Attach("vm1", guest.Uri);
        var events = instance.WatchAsync(Soon);
        await instance.WaitReadyAsync(Soon);
        await foreach (var one in events)
        {
            Assert.InRange(one.At, ShiftedClock.Start, ShiftedClock.Start.AddHours(1));
            break;
        }

        // The guest's clock is right, so it is that far from this host's.
        var drift = await instance.Time.DriftAsync(Soon);
        Assert.InRange(drift.Offset - (TimeProvider.System.GetUtcNow() - clock.GetUtcNow()), TimeSpan.FromSeconds(-5), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_host_of_a_container_takes_its_loggers_meters_and_clock_and_ends_with_it()
    {
        using var log = new LogLines();
        using var measured = new Measured();
        await using var guest = new GuestDouble();
        ChannelHost host;
        var services = new ServiceCollection().AddSingleton<ILoggerFactory>(log).AddSingleton<IMeterFactory>(measured).AddSingleton<TimeProvider>(new ShiftedClock())
            .AddChannelHost((options, _) => options with { DefaultInstance = options.DefaultInstance with { CallTimeout = TimeSpan.FromSeconds(7) } });
        await using (var provider = services.BuildServiceProvider())
        {
            host = provider.GetRequiredService<ChannelHost>();
            Assert.Same(host, provider.GetRequiredService<ChannelHost>());
            var instance = host.Attach("vm1", guest.Uri);
            await instance.WaitReadyAsync(Soon);
            await log.WaitForAsync(HostLogEvent.LinkUp, Soon);
            Assert.Equal(1, measured.Sum("channelsdk.link.up"));
            Assert.IsType<ShiftedClock>(instance.Connection.Time);
            Assert.Equal(TimeSpan.FromSeconds(7), instance.Connection.CallTimeout);
        }

        await log.WaitForAsync(HostLogEvent.InstanceDetached, Soon);
        Assert.Throws<ObjectDisposedException>(() => host.Attach("vm2", guest.Uri));
    }

    [Fact]
    public async Task A_host_of_an_empty_container_works_with_its_defaults()
    {
        await using var provider = new ServiceCollection().AddChannelHost().BuildServiceProvider();
        Assert.Empty(provider.GetRequiredService<ChannelHost>().Instances);
    }

    private sealed class ShiftedClock : TimeProvider
    {
        private readonly long _began = TimeProvider.System.GetTimestamp();

        public static DateTimeOffset Start { get; } = new(2001, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Start + TimeProvider.System.GetElapsedTime(_began);
    }
}
