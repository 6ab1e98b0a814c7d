using System.Globalization;
using System.Text.RegularExpressions;

namespace ChannelSdk.Guest.Tests;

/// <summary>libvirt's own commands for guest agents, against ours.</summary>
[Collection("guest")]
public class LibvirtTests
{
    [Fact]
    public async Task What_virsh_asks_of_a_guest_agent_ours_does()
    {
        await using var guest = await LibvirtGuest.BootAsync();
        Assert.Equal("{\"return\":{}}", await guest.VirshAsync("qemu-agent-command", "vm1", "{\"execute\":\"guest-ping\"}"));
        Assert.Matches(@"/mnt\s+vda\s+ext4\s+vda", await guest.VirshAsync("domfsinfo", "vm1"));
        var info = await guest.VirshAsync("guestinfo", "vm1");
        Assert.Matches(@"os\.pretty-name\s*: ChannelSdk test guest", info);
        Assert.Matches(@"hostname\s*: guest", info);
        Assert.Matches(@"fs\.0\.mountpoint\s*: /mnt", info);
        Assert.Matches(@"disk\.0\.name\s*: /dev/vda", info);
        Assert.Matches(@"timezone\.name\s*: UTC", info);
        Assert.Contains("127.0.0.1/8", await guest.VirshAsync("domifaddr", "vm1", "--source", "agent"));
        Assert.Equal("guest", await guest.VirshAsync("domhostname", "vm1", "--source", "agent"));

        await guest.Console.ShAsync("date -s @1000000000");
        Assert.Equal("", await guest.VirshAsync("domtime", "vm1", "--now"));
        var time = Regex.Match(await guest.VirshAsync("domtime", "vm1"), @"Time: (\d+)");
        Assert.InRange(long.Parse(time.Groups[1].Value, CultureInfo.InvariantCulture) - DateTimeOffset.UtcNow.ToUnixTimeSeconds(), -30, 30);

        Assert.Contains("Froze 1 filesystem(s)", await guest.VirshAsync("domfsfreeze", "vm1"));
        Assert.Equal("{\"return\":\"frozen\"}", await guest.VirshAsync("qemu-agent-command", "vm1", "{\"execute\":\"guest-fsfreeze-status\"}"));
        await guest.Console.ShAsync("(echo new > /mnt/late; echo through > /tmp/written) & sleep 1");
        Assert.DoesNotContain("through", await guest.Console.ShAsync("cat /tmp/written 2>/dev/null"));
        Assert.Contains("Thawed 1 filesystem(s)", await guest.VirshAsync("domfsthaw", "vm1"));
        Assert.Contains("through", await guest.Console.ShAsync("wait; cat /tmp/written"));

        Assert.Contains("is being shutdown", await guest.VirshAsync("shutdown", "vm1", "--mode", "agent"));
        for (var limit = DateTime.UtcNow.AddSeconds(60); (await guest.VirshAsync("list", "--name")).Contains("vm1", StringComparison.Ordinal);)
        {
            Assert.True(DateTime.UtcNow < limit, "the domain still runs");
            await Task.Delay(200);
        }
    }
}
