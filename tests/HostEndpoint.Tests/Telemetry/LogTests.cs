using System.Text.RegularExpressions;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Policy;
using ChannelSdk.Host.Telemetry;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.HostEndpoint.Tests.Telemetry;

public partial class LogTests
{
    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token;

    [Fact]
    public async Task A_link_and_its_session_are_logged_from_the_attach_to_the_detach()
    {
        using var log = new LogLines();
        await using (var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log }))
        {
            await using (var guest = new GuestDouble())
            {
                var instance = host.Attach("vm1", guest.Uri);
                await instance.WaitReadyAsync(Soon);
                await log.WaitForAsync(HostLogEvent.SessionStarted, Soon);
                instance.DropLink("a test");
                await log.WaitForAsync(HostLogEvent.SessionResumed, Soon);
                await instance.Info.PingAsync(Soon);
            }

            await log.WaitForAsync(HostLogEvent.SessionLost, Soon);
        }

        HostLogEvent[] expected = [HostLogEvent.InstanceAttached, HostLogEvent.LinkUp, HostLogEvent.SessionStarted, HostLogEvent.LinkLost, HostLogEvent.SessionResumed, HostLogEvent.SessionLost, HostLogEvent.InstanceDetached];
        Assert.Equal(expected, log.All.Select(line => line.Event).Where(expected.Contains).Distinct());
        Assert.All(log.All, line => Assert.StartsWith("vm1: ", line.Text));
        Assert.Equal("ChannelSdk.Host", log.Category);
    }

    [Fact]
    public async Task An_endpoint_without_a_guest_is_logged_as_failed()
    {
        using var log = new LogLines();
        await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log });
        host.Attach("vm1", "unix:///nonexistent/guest.sock");
        Assert.Contains("/nonexistent/guest.sock", (await log.WaitForAsync(HostLogEvent.EndpointFailed, Soon)).Text);
    }

    [Fact]
    public async Task Refused_and_privileged_calls_are_logged()
    {
        using var log = new LogLines();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log });
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Policy = new HostPolicy { HostMay = ["info.*", "power.*"] } });
        await instance.WaitReadyAsync(Soon);
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Time.DriftAsync(Soon));
        Assert.Contains("time.Get", (await log.WaitForAsync(HostLogEvent.CallRefused, Soon)).Text);
        var missing = new RpcMethod<PowerCommand, PowerCommand>("evil.Method", StreamClass.Rpc);
        await Assert.ThrowsAsync<ChannelException>(async () => await guest.Channel.CallAsync(missing, new PowerCommand(), cancellationToken: Soon));
        Assert.Contains("evil.Method", (await log.WaitForAsync(HostLogEvent.GuestCallRefused, Soon)).Text);
        await instance.Power.ShutdownAsync("the word is hunter2", Soon);
        Assert.Contains("power.Request", (await log.WaitForAsync(HostLogEvent.CallAllowed, Soon)).Text);
        Assert.DoesNotContain(log.All, line => line.Text.Contains("hunter2"));
    }

    [Fact]
    public async Task A_freeze_is_logged_from_its_begin_to_its_thaw_with_a_guests_text_escaped()
    {
        using var log = new LogLines();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log });
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(5), cancellationToken: Soon);
        Assert.Contains("00:00:05", (await log.WaitForAsync(HostLogEvent.FreezeTaken, Soon)).Text);
        await instance.Freeze.ThawAsync(cancellationToken: Soon);
        await log.WaitForAsync(HostLogEvent.FreezeThawed, Soon);
        guest.FreezeFailure = "no\u001b[2J";
        await Assert.ThrowsAnyAsync<ChannelException>(async () => await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(5), cancellationToken: Soon));
        Assert.Contains("no\\u001b[2J", (await log.WaitForAsync(HostLogEvent.FreezeFailed, Soon)).Text);
    }

    [Fact]
    public async Task A_logger_that_fails_ends_neither_a_call_nor_the_host()
    {
        using var log = new LogLines { Failure = new InvalidOperationException("the disk is full") };
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log });
        var instance = host.Attach("vm1", guest.Uri);
        await instance.WaitReadyAsync(Soon);
        instance.DropLink("a test");
        Assert.True((await instance.Power.ShutdownAsync("", Soon)).Accepted);
    }

    [Fact]
    public void The_documentation_has_the_events_of_the_table_and_no_others()
    {
        var documented = Row().Matches(Documents.Read("OPERATIONS.md")).Select(match => (match.Groups[1].Value, match.Groups[2].Value));
        Assert.Equal(Enum.GetValues<HostLogEvent>().Select(e => ($"{(int)e}", $"{e}")), documented);
    }

    [Fact]
    public void A_guest_that_makes_more_lines_than_it_may_is_counted_in_the_next()
    {
        var clock = new SecondClock();
        var budget = new LineBudget(2, clock);
        Assert.True(budget.TryTake(out _));
        Assert.True(budget.TryTake(out _));
        Assert.False(budget.TryTake(out _));
        Assert.False(budget.TryTake(out _));
        clock.Second++;
        Assert.True(budget.TryTake(out var dropped));
        Assert.Equal(2, dropped);
    }

    [Fact]
    public async Task The_lines_that_a_guest_makes_are_bounded_and_counted_and_the_bound_is_changed_while_it_is_attached()
    {
        using var log = new LogLines();
        await using var guest = new GuestDouble();
        await using var host = new ChannelHost(new ChannelHostOptions { LoggerFactory = log });
        var instance = host.Attach("vm1", guest.Uri, new InstanceOptions { Limits = new InstanceLimits { RefusalLines = 2 } });
        await instance.WaitReadyAsync(Soon);
        await CallMissingAsync(guest, 100);
        // A few seconds may have passed.
        var dropped = instance.Status.Limits.RefusalLines;
        Assert.InRange(dropped, 50, 98);
        Assert.Equal(100 - dropped, log.All.Count(static line => line.Event == HostLogEvent.GuestCallRefused));
        instance.Limits = instance.Limits with { RefusalLines = 10_000 };
        await CallMissingAsync(guest, 100);
        Assert.Equal(dropped, instance.Status.Limits.RefusalLines);
        Assert.Throws<ArgumentOutOfRangeException>(() => instance.Limits = new InstanceLimits { EventLines = 0 });
        Assert.Equal(10_000, instance.Limits.RefusalLines);
    }

    [Fact]
    public async Task Workers_that_end_too_soon_are_followed_by_others_at_a_pace_that_can_be_changed()
    {
        var time = new FakeTimeProvider();
        var pace = new StartPace(60, time);
        for (var i = 0; i < 10; i++)
        {
            Assert.True(pace.WaitAsync(default).AsTask().IsCompletedSuccessfully);
        }

        var next = pace.WaitAsync(default).AsTask();
        Assert.False(next.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1.1));
        await next.WaitAsync(Soon);
        Assert.Equal(1, pace.Delayed);
        var another = pace.WaitAsync(default).AsTask();
        pace.Change(6000);
        time.Advance(TimeSpan.FromSeconds(1));
        await another.WaitAsync(Soon);
        Assert.Equal(2, pace.Delayed);
    }

    private static async Task CallMissingAsync(GuestDouble guest, int count)
    {
        var missing = new RpcMethod<PowerCommand, PowerCommand>("evil.Method", StreamClass.Rpc);
        for (var i = 0; i < count; i++)
        {
            await Assert.ThrowsAsync<ChannelException>(async () => await guest.Channel.CallAsync(missing, new PowerCommand(), cancellationToken: Soon));
        }
    }

    private sealed class SecondClock : TimeProvider
    {
        public long Second { get; set; }

        public override long GetTimestamp() => Second * TimestampFrequency;
    }

    [GeneratedRegex(@"^\| (\d{4}) \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
