using Xunit;

namespace ChannelSdk.Transports.Tests.LinkLocal;

/// <summary>What holds for the tap, by its own settings and those of 'all' together (Linux, Documentation/networking/ip-sysctl.rst).</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class TapSettingTests
{
    [Fact]
    public void Redirects_are_neither_taken_nor_sent_on_a_tap_in_a_namespace_with_any_settings()
    {
        using var test = new TestNetwork();
        AssertClosed(test);
        // As a host that sets these for its new namespaces, or an earlier version.
        foreach (var device in new[] { "all", "default", "tap0" })
        {
            foreach (var setting in new[] { "accept_redirects", "secure_redirects", "send_redirects", "route_localnet", "accept_local" })
            {
                test.Set($"ipv4/conf/{device}/{setting}", 1);
            }

            test.Set($"ipv4/conf/{device}/rp_filter", 2);
            test.Set($"ipv6/conf/{device}/accept_redirects", 1);
            test.Set($"ipv6/conf/{device}/accept_ra", 2);
        }

        test.Network.SetUp();
        AssertClosed(test);
        // Forwarding that was on, and what it does to the others when it is switched off.
        test.Set("ipv4/ip_forward", 1);
        test.Set("ipv6/conf/all/forwarding", 1);
        test.Network.SetUp();
        AssertClosed(test);
    }

    [Fact]
    public void A_tap_leaves_the_settings_of_its_host_as_they_are()
    {
        string[] settings = ["ipv4/ip_forward", "ipv4/conf/all/accept_redirects", "ipv4/conf/all/send_redirects", "ipv4/conf/default/send_redirects", "ipv6/conf/all/accept_redirects"];
        string[] before = [.. settings.Select(setting => File.ReadAllText($"/proc/sys/net/{setting}"))];
        using var test = new TestNetwork();
        Assert.Equal(before, settings.Select(setting => File.ReadAllText($"/proc/sys/net/{setting}")));
    }

    private static void AssertClosed(TestNetwork test)
    {
        // Without forwarding, one of the two is enough for the host to take redirects.
        Assert.Equal(0, test.Get("ipv4/ip_forward") | test.Get("ipv6/conf/all/forwarding") | test.Get("ipv6/conf/tap0/forwarding"));
        foreach (var setting in new[] { "accept_redirects", "secure_redirects", "send_redirects", "route_localnet", "accept_local" })
        {
            Assert.Equal((setting, 0), (setting, test.Get($"ipv4/conf/all/{setting}") | test.Get($"ipv4/conf/tap0/{setting}")));
        }

        Assert.Equal(1, Math.Max(test.Get("ipv4/conf/all/rp_filter"), test.Get("ipv4/conf/tap0/rp_filter")));
        Assert.Equal(0, test.Get("ipv6/conf/tap0/accept_redirects") | test.Get("ipv6/conf/tap0/accept_ra"));
    }
}
