using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host.Power;
using ChannelSdk.Hypervisors.Xen;

namespace ChannelSdk.InXen;

/// <summary>Domains that end, start again, and are saved.</summary>
public class LifeTests
{
    private static CancellationToken Soon => TestDomain.Soon;

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task A_destroyed_domain_is_noticed_at_once(XenDomainType type)
    {
        await using var domain = await TestDomain.StartAsync("destroyed", type);
        await domain.Instance.Info.PingAsync(Soon);
        var lost = NextAsync(domain.Instance.WatchAsync(Soon), ChannelEventKind.LinkLost);
        await domain.Guest.DestroyAsync(TimeSpan.FromSeconds(60));
        var since = Stopwatch.GetTimestamp();
        await lost;
        // The heartbeats alone would take several times as long.
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 2);
    }

    [Theory]
    [InlineData(XenDomainType.Pv)]
    [InlineData(XenDomainType.Pvh)]
    public async Task A_saved_and_restored_domain_goes_on_with_its_session_and_is_shut_down_by_the_channel(XenDomainType type)
    {
        var file = Path.Combine(Path.GetTempPath(), $"{type}.saved");
        await using var domain = await TestDomain.StartAsync("saved", type);
        await domain.ShAsync("echo kept > /tmp/kept");
        var session = domain.Instance.Status.Channel.SessionId;
        // The second time what the agent keeps of the first is there too. Xen's tools take long to save a PV domain's page tables.
        for (var times = 1; times <= (type == XenDomainType.Pvh ? 2 : 1); times++)
        {
            var number = domain.Guest.DomainId;
            var saved = NextAsync(domain.Instance.WatchAsync(Soon), ChannelEventKind.LinkLost);
            await domain.Guest.SaveAsync(file, Soon);
            await saved;
            var since = Stopwatch.GetTimestamp();
            await domain.Guest.RestoreAsync(file, Soon);
            File.Delete(file);
            Assert.Equal("kept", await domain.ShAsync("cat /tmp/kept"));
            Console.WriteLine($"REPORT {type}, from the begin of restore {times} to a program's output: {Stopwatch.GetElapsedTime(since).TotalSeconds:F1} s");
            Assert.NotEqual(number, domain.Guest.DomainId);
            Assert.Equal(session, domain.Instance.Status.Channel.SessionId);
            Assert.True(domain.Instance.Status.Channel.Resumes >= times);
        }

        Assert.Equal("", await domain.ShAsync("dmesg | grep -E 'BUG|WARNING:' || true"));
        var gone = domain.Instance.Power.WaitGoneAsync(domain.Guest.Exited, Soon);
        Assert.True((await domain.Instance.Power.ShutdownAsync("the test", Soon)).Accepted);
        Assert.Equal(Departure.Asked, await gone);
    }

    [Fact]
    public async Task A_domain_that_reboots_has_another_number_is_reached_again_and_stops_by_Xens_own_means()
    {
        await using var domain = await TestDomain.StartAsync("rebooted", XenDomainType.Pv, restarts: true);
        var (number, session) = (domain.Guest.DomainId, domain.Instance.Status.Channel.SessionId);
        var events = domain.Instance.WatchAsync(Soon);
        Assert.True((await domain.Instance.Power.RebootAsync("the test", Soon)).Accepted);
        await NextAsync(events, ChannelEventKind.SessionStarted);
        await domain.Instance.Info.PingAsync(Soon);
        Assert.NotEqual(number, domain.Guest.DomainId);
        Assert.NotEqual(session, domain.Instance.Status.Channel.SessionId);

        var lost = NextAsync(domain.Instance.WatchAsync(Soon), ChannelEventKind.LinkLost);
        await domain.Guest.ShutdownAsync(Soon);
        await domain.Guest.Exited.WaitAsync(Soon);
        await lost;
    }

    private static async Task NextAsync(IAsyncEnumerable<ChannelEvent> events, ChannelEventKind kind)
    {
        await foreach (var next in events)
        {
            if (next.Kind == kind)
            {
                return;
            }
        }

        Assert.Fail($"the events ended before {kind}");
    }
}
