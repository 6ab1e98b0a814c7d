using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Host.Power;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using MountOutcome = ChannelSdk.Host.Freeze.MountOutcome;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.HostEndpoint.Tests;

public class InstanceTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task An_attached_instance_tells_its_state_and_answers()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        Assert.Equal(Reachability.Up, instance.Status.Reachability);
        Assert.Equal("Double", (await instance.Info.GetAsync(Soon)).Os?.PrettyName);
        Assert.True(await instance.Info.PingAsync(Soon) > TimeSpan.Zero);
        Assert.Equal(StateWord.Ready, instance.Status.State);
        Assert.Same(instance, Assert.Single(host.Instances));
        Assert.True(await host.DetachAsync("vm1"));
        Assert.False(await host.DetachAsync("vm1"));
    }

    [Fact]
    public async Task An_instance_whose_socket_is_not_there_was_never_connected_and_says_why()
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "virtio-serial:///nonexistent/vm1.sock");
        var events = instance.WatchAsync(Soon);
        await foreach (var e in events)
        {
            Assert.Contains("/nonexistent/vm1.sock", e.Text);
            break;
        }

        Assert.Equal(Reachability.NeverConnected, instance.Status.Reachability);
    }

    [Theory]
    [InlineData("")]
    [InlineData("Upper")]
    [InlineData("a/b")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public async Task A_name_that_is_not_allowed_is_refused_with_the_allowed_ones(string name)
    {
        await using var host = new ChannelHost();
        var error = Assert.Throws<ChannelException>(() => host.Attach(name, "unix:///tmp/x"));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains("a-z, 0-9", error.Message);
    }

    [Fact]
    public async Task Two_instances_share_neither_a_name_nor_an_endpoint()
    {
        await using var host = new ChannelHost();
        host.Attach("vm1", "unix:///tmp/nowhere-1");
        Assert.Contains("vm1", Assert.Throws<ChannelException>(() => host.Attach("vm1", "unix:///tmp/nowhere-2")).Message);
        Assert.Contains("vm1", Assert.Throws<ChannelException>(() => host.Attach("vm2", "unix:///tmp/nowhere-1")).Message);
    }

    [Fact]
    public async Task An_accepted_shutdown_is_seen_to_its_end()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        var gone = instance.Power.WaitGoneAsync(null, Soon);
        var result = await instance.Power.ShutdownAsync("bye\n", Soon);
        Assert.True(result.Accepted);
        Assert.Equal("Shutdown: bye\\u000a", result.How);
        Assert.Equal(Departure.Asked, await gone);
    }

    [Fact]
    public async Task A_request_carries_the_departure_that_it_leads_to()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        var result = await instance.Power.RebootAsync("", Soon);
        Assert.Equal(Departure.Asked, await result.Gone!.WaitAsync(Soon));
    }

    [Fact]
    public async Task A_crash_after_a_completed_departure_counts_as_unasked()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        Assert.Equal(Departure.Asked, await (await instance.Power.RebootAsync("", Soon)).Gone!.WaitAsync(Soon));
        await guest.Channel.DisposeAsync();
        await using var back = new GuestDouble(socket: guest.Socket);
        await instance.WaitReadyAsync(Soon);
        var gone = instance.Power.WaitGoneAsync(null, Soon);
        await instance.Info.PingAsync(Soon);
        await back.Channel.DisposeAsync();
        Assert.Equal(Departure.Unannounced, await gone);
    }

    [Fact]
    public async Task Many_paused_guests_are_left_in_about_the_time_of_one()
    {
        var one = await TimeToLeaveAsync(1);
        var many = await TimeToLeaveAsync(60);
        // One after the other they would take 60 times as long.
        Assert.True(many < (one * 15) + TimeSpan.FromSeconds(1), $"one takes {one}, sixty take {many}");
    }

    private static async Task<TimeSpan> TimeToLeaveAsync(int count)
    {
        var guests = Enumerable.Range(0, count).Select(_ => new GuestDouble()).ToArray();
        var endpoints = guests.Select(guest => new PausableEndpoint(TransportEndpoints.Create(guest.Uri))).ToArray();
        var host = new ChannelHost();
        var instances = endpoints.Select((endpoint, i) => host.Attach($"vm{i}", endpoint)).ToArray();
        foreach (var instance in instances)
        {
            await instance.WaitReadyAsync(Soon);
        }

        Array.ForEach(endpoints, endpoint => endpoint.Pause());
        var start = System.Diagnostics.Stopwatch.GetTimestamp();
        await host.DisposeAsync().AsTask().WaitAsync(Soon);
        var time = System.Diagnostics.Stopwatch.GetElapsedTime(start);
        await Task.WhenAll(guests.Select(guest => guest.DisposeAsync().AsTask()));
        return time;
    }

    [Fact]
    public async Task An_audit_sink_that_fails_is_alarmed_and_ends_neither_a_call_nor_the_channel()
    {
        var alarms = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Audit = _ => throw new IOException("No space left on device"), Alarm = alarms.Enqueue });
        await instance.WaitReadyAsync(Soon);
        var events = instance.WatchAsync(Soon);
        for (var i = 0; i < 3; i++)
        {
            var missing = new RpcMethod<PowerCommand, PowerCommand>("nope.Nope", StreamClass.Rpc);
            var error = await Assert.ThrowsAsync<ChannelException>(async () => await guest.Channel.CallAsync(missing, new PowerCommand(), cancellationToken: Soon));
            Assert.Equal(ChannelError.UnknownMethod, error.Code);
        }

        Assert.True(await instance.Info.PingAsync(Soon) > TimeSpan.Zero);
        await foreach (var next in events)
        {
            if (next.Kind == ChannelEventKind.Fault)
            {
                Assert.Contains("No space left on device", next.Text);
                break;
            }
        }

        Assert.Contains("vm1", Assert.Single(alarms));
        instance.DropLink("test");
        Assert.True((await instance.Power.ShutdownAsync("", Soon)).Accepted);
    }

    [Fact]
    public async Task Nothing_can_be_attached_to_a_host_that_was_disposed_of()
    {
        var host = new ChannelHost();
        await host.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => host.Attach("vm1", "unix:///nonexistent/x"));
        Assert.Throws<ArgumentNullException>(() => host.Attach("vm1", (ITransportEndpoint)null!));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    public async Task A_time_for_calls_that_cannot_be_is_refused(int seconds)
    {
        await using var host = new ChannelHost();
        var error = Assert.Throws<ChannelException>(() => host.Attach("vm1", "unix:///nonexistent/x", new InstanceOptions { CallTimeout = TimeSpan.FromSeconds(seconds) }));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains("CallTimeout", error.Message);
    }

    [Fact]
    public async Task A_program_for_an_agent_that_is_absent_ends_by_the_time_for_calls_and_did_not_run()
    {
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", "unix:///nonexistent/x", new InstanceOptions { CallTimeout = TimeSpan.FromMilliseconds(50) });
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Exec.RunAsync(new ExecOptions { Command = ["true"] }, cancellationToken: Soon));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.Retry), (error.Code, error.Class));
    }

    [Theory]
    [InlineData(StateWord.Stopping, Departure.Announced)]
    [InlineData(StateWord.Ready, Departure.Unannounced)]
    public async Task A_guest_that_goes_unasked_is_told_by_whether_it_said_so(StateWord last, Departure departure)
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        var gone = instance.Power.WaitGoneAsync(null, Soon);
        guest.Channel.SetState(last);
        await instance.Info.PingAsync(Soon);
        await guest.Channel.DisposeAsync();
        Assert.Equal(departure, await gone);
    }

    [Fact]
    public async Task The_drift_of_the_guests_clock_is_measured_and_taken_back()
    {
        await using var guest = new GuestDouble { ClockOffset = TimeSpan.FromMinutes(-5) };
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var drift = await instance.Time.DriftAsync(Soon);
        Assert.InRange(drift.Offset, TimeSpan.FromMinutes(-5) - drift.Uncertainty - TimeSpan.FromMilliseconds(20), TimeSpan.FromMinutes(-5) + drift.Uncertainty + TimeSpan.FromMilliseconds(20));
        var moved = await instance.Time.SetAsync(Soon);
        Assert.InRange(moved, TimeSpan.FromMinutes(4.9), TimeSpan.FromMinutes(5.1));
        Assert.InRange((await instance.Time.DriftAsync(Soon)).Offset.Duration(), TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_refused_shutdown_says_why()
    {
        await using var guest = new GuestDouble { PowerRefusal = new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, "power is denied in agent.toml") };
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Power.RebootAsync("", Soon));
        Assert.Equal((ChannelError.PermissionDenied, "power is denied in agent.toml"), (error.Code, error.Message));
    }

    [Fact]
    public async Task A_freeze_says_what_is_frozen_and_a_thaw_after_the_lease_is_an_error()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var report = await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(20), ["/data"], TimeSpan.FromSeconds(3), Soon);
        Assert.Equal((20_000U, 3_000U, "/data"), (guest.Frozen!.LeaseMs, guest.Frozen.LinkLossMs, Assert.Single(guest.Frozen.Mounts)));
        Assert.Equal(TimeSpan.FromSeconds(20), report.Left);
        await instance.Freeze.ThawAsync(cancellationToken: Soon);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.ThawAsync(cancellationToken: Soon));
        Assert.Equal((ChannelError.FailedPrecondition, "nothing is frozen any more: the lease of 1 s ended"), (error.Code, error.Message));
    }

    [Fact]
    public async Task A_freeze_that_failed_is_an_error_with_the_results_of_each_mount()
    {
        await using var guest = new GuestDouble { FreezeFailure = "hook x ended\nwith code 1" };
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var error = await Assert.ThrowsAsync<FreezeFailedException>(async () => await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(20), cancellationToken: Soon));
        Assert.Equal("the guest is not frozen: hook x ended\\u000awith code 1", error.Message);
        Assert.Equal(MountOutcome.Failed, Assert.Single(error.Report.Mounts).Outcome);
    }

    [Fact]
    public async Task Transfers_arrive_whole_over_a_link_that_is_cut()
    {
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var cuts = 0;
        var cutter = new Cutter(() =>
        {
            cuts++;
            instance.DropLink("test");
        });
        await instance.Measure.SendAsync(20_000_001, cutter, Soon);
        await instance.Measure.ReceiveAsync(20_000_001, cutter, Soon);
        Assert.True(cuts > 0 && instance.Channel.Status.Resumes > 0);
    }

    [Fact]
    public async Task A_guest_that_sends_other_bytes_is_found_out()
    {
        await using var guest = new GuestDouble { Lies = true };
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.Uri);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await instance.Measure.ReceiveAsync(100_000, null, Soon));
        Assert.Equal(ChannelError.CorruptFrame, error.Code);
    }

    [Fact]
    public async Task One_instance_that_goes_away_does_not_touch_another()
    {
        await using var first = new GuestDouble();
        await using var second = new GuestDouble();
        await using var host = new ChannelHost();
        var one = host.Attach("vm1", first.Uri);
        var two = host.Attach("vm2", second.Uri);
        await one.WaitReadyAsync(Soon);
        await two.WaitReadyAsync(Soon);
        var session = two.Channel.Status.SessionId;
        await first.Channel.DisposeAsync();
        await two.Info.PingAsync(Soon);
        Assert.Equal((session, 0), (two.Channel.Status.SessionId, two.Channel.Status.Resumes));
    }

    [Theory]
    [InlineData("plain text", "plain text")]
    [InlineData("a\u001b[31mred\r\nx", "a\\u001b[31mred\\u000d\\u000ax")]
    [InlineData("\u202egnp.exe", "\\u202egnp.exe")]
    public void Guest_text_is_made_visible(string text, string shown) => Assert.Equal(shown, SafeText.Escape(text));

    /// <summary>Cuts once, in the middle of the first transfer and of the second.</summary>
    private sealed class Cutter(Action cut) : IProgress<long>
    {
        private long _next = 7_000_000;

        public void Report(long value)
        {
            if (value > _next)
            {
                _next = long.MaxValue;
                cut();
            }
        }
    }
}
