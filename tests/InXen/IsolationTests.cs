using System.Globalization;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.InXen;

/// <summary>Two domains that know nothing of each other.</summary>
[Collection("shared domains")]
public class IsolationTests(SharedDomains domains)
{
    private const int Pings = 150;
    private const string Flood = "flood";

    private static CancellationToken Soon => TestDomain.Soon;

    [Fact]
    public async Task A_domain_cannot_see_the_keys_of_anothers_channel()
    {
        var (one, other) = (domains[XenDomainType.Pv], domains[XenDomainType.Pvh]);
        var key = $"/local/domain/{one.Guest.DomainId}/data/vchan/0/{XlGuest.ChannelName.Replace('.', '-')}/ring-ref";
        Assert.True(uint.TryParse(await one.ShAsync($"vchan-peer read {key}"), CultureInfo.InvariantCulture, out _));
        Assert.Equal("Permission denied", await other.ShAsync($"vchan-peer read {key} || true"));
    }

    [Fact]
    public async Task A_domain_that_floods_events_does_not_slow_anothers_calls()
    {
        var (quiet, loud) = (domains[XenDomainType.Pvh], domains[XenDomainType.Pv]);
        // Both times the other domain takes what it gets of the processor, which is Xen's to share out.
        double[] without, with;
        await using (var spinning = (await loud.StartPeerAsync("spinning", "spin", "1000")).Session)
        {
            without = await PingAsync(quiet);
            await spinning.KillAsync();
        }

        // It waits for its client before it says anything.
        var starting = loud.StartPeerAsync("flooding", "flood", "0", $"data/vchan/0/{Flood}", "1000");
        await using var endpoint = TransportEndpoints.Create($"vchan://{loud.Guest.DomainId}/{Flood}");
        await using var link = await OpenAsync(endpoint);
        await using var flooding = (await starting).Session;
        var receiving = link.ReceiveAsync(new byte[1]).AsTask();
        with = await PingAsync(quiet);
        Assert.False(receiving.IsCompleted);
        await flooding.KillAsync();

        Console.WriteLine($"REPORT p50/p99 of a quiet domain's calls beside one that is busy: {without[Pings / 2]:F1}/{P99(without):F1} ms, beside one that floods events: {with[Pings / 2]:F1}/{P99(with):F1} ms, ratio {P99(with) / P99(without):F2}");
        // The aim is 1.5; a shared machine may stop both for longer than that at any time.
        Assert.True(P99(with) <= (5 * P99(without)) + 50, $"p99 {P99(without):F1} ms without and {P99(with):F1} ms with the flood");
    }

    /// <summary>Opens as soon as the other side is there.</summary>
    private static async Task<ITransportLink> OpenAsync(ITransportEndpoint endpoint)
    {
        while (true)
        {
            try
            {
                return await endpoint.OpenAsync(Soon);
            }
            catch (ChannelException e) when (e.Class == ErrorClass.Retry)
            {
                await Task.Delay(20);
            }
        }
    }

    private static double P99(double[] sorted) => sorted[Pings * 99 / 100];

    private static async Task<double[]> PingAsync(TestDomain domain)
    {
        var times = new double[Pings];
        for (var i = 0; i < Pings; i++)
        {
            times[i] = (await domain.Instance.Info.PingAsync(Soon)).TotalMilliseconds;
        }

        Array.Sort(times);
        return times;
    }
}
