using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over the tap of its namespace.</summary>
[Collection("tap guest")]
public class TapTests(SavedTapGuest saved) : AgentCutTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    protected override Task<AttachedGuest> StartAsync() => saved.StartAsync();

    [Fact]
    public async Task A_guest_that_asks_by_DHCP_gets_the_one_address_and_no_router()
    {
        await using var dhcp = new DhcpResponder(saved.Network);
        await using var guest = await saved.BootAsync(options => options with { Append = options.Append.Replace("static", "dhcp", StringComparison.Ordinal) });
        await using var channel = new AttachedGuest(guest, () => TransportEndpoints.Create($"tap://{saved.Network.Name}"), []).Attach();
        await channel.WaitReadyAsync(Soon);
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        Assert.Contains("169.254.169.1", await console.ShAsync("ifconfig eth0"), StringComparison.Ordinal);
        Assert.DoesNotContain("0.0.0.0         1", await console.ShAsync("route -n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_guests_with_the_same_addresses_reach_each_its_own_host()
    {
        var other = SavedTapGuest.NewNetwork("b");
        try
        {
            await using var first = await saved.StartAsync();
            await using var second = await saved.StartAsync(other);
            await using var firstConsole = await GuestConsole.ConnectAsync(first.Guest.ConsoleSocket);
            await using var secondConsole = await GuestConsole.ConnectAsync(second.Guest.ConsoleSocket);
            // A guest that was saved beside one host's tap finds the host at another's at once.
            var neighbour = await firstConsole.ShAsync("wget -q http://169.254.169.254:1; grep 169.254.169.254 /proc/net/arp");
            Assert.Contains("02:00:a9:fe:a9:fe", neighbour, StringComparison.Ordinal);
            await firstConsole.ShAsync("hostname first");
            await secondConsole.ShAsync("hostname second");
            await using var firstChannel = first.Attach();
            await using var secondChannel = second.Attach();
            Assert.Equal("first", (await firstChannel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon)).HostName);
            Assert.Equal("second", (await secondChannel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon)).HostName);
        }
        finally
        {
            other.Remove();
        }
    }

    [Fact]
    public async Task Two_guests_with_the_same_addresses_read_each_its_own_metadata()
    {
        var other = SavedTapGuest.NewNetwork("c");
        try
        {
            await using var firstHost = await MetadataHost.StartAsync("instance_id: i-first\nhostname: first\n");
            await using var secondHost = await MetadataHost.StartAsync("instance_id: i-second\nhostname: second\n");
            firstHost.Listeners.ServeTap(saved.Network);
            secondHost.Listeners.ServeTap(other);
            await using var first = await saved.StartAsync();
            await using var second = await saved.StartAsync(other);
            await using var firstConsole = await GuestConsole.ConnectAsync(first.Guest.ConsoleSocket);
            await using var secondConsole = await GuestConsole.ConnectAsync(second.Guest.ConsoleSocket);
            const string ask = "for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://169.254.169.254/latest/meta-data/instance-id; echo; done";
            var answers = await Task.WhenAll(firstConsole.ShAsync(ask), secondConsole.ShAsync(ask));
            Assert.Equal(string.Join('\n', Enumerable.Repeat("i-first", 10)), answers[0]);
            Assert.Equal(string.Join('\n', Enumerable.Repeat("i-second", 10)), answers[1]);
        }
        finally
        {
            other.Remove();
        }
    }

    [Fact]
    public async Task A_lying_guest_reaches_no_address_beyond_its_link()
    {
        var other = SavedTapGuest.NewNetwork("victim");
        try
        {
            using var trap = new Trap();
            using var victim = new Socket(SafeHandle(other.Listen(LinkLocalAddresses.Host, LinkLocalAddresses.HttpPort)));
            await using var started = await saved.StartAsync();
            await using var console = await GuestConsole.ConnectAsync(started.Guest.ConsoleSocket);
            // Everything by way of the host; then with other addresses and another MAC of its own, and as its own neighbour.
            await console.ShAsync("route add default gw 169.254.169.254");
            foreach (var disguise in new[]
            {
                "true",
                "ifconfig eth0:1 10.11.12.13 netmask 255.255.255.0 up",
                "ifconfig eth0 down; ifconfig eth0 hw ether 02:00:00:66:66:66; ifconfig eth0 169.254.169.77 netmask 255.255.255.0 up; route add default gw 169.254.169.254",
            })
            {
                await console.ShAsync(disguise);
                foreach (var address in Trap.Addresses)
                {
                    await console.ShAsync($"timeout 1 nc {address} {trap.Port} </dev/null; timeout 1 nc -s 10.11.12.13 {address} {trap.Port} </dev/null; true");
                }

                await console.ShAsync("timeout 1 nc 169.254.169.254 80 </dev/null; arping -c 1 -I eth0 -U 169.254.169.254; true");
            }

            Assert.Equal(0, trap.Connections);
            Assert.False(victim.Poll(0, SelectMode.SelectRead), "the other instance's port was reached");
        }
        finally
        {
            other.Remove();
        }
    }

    [Fact]
    public void Setting_up_again_keeps_present_parts_and_adds_missing_ones()
    {
        var network = LinkLocalNetwork.Of($"test-again-{Environment.ProcessId}");
        try
        {
            // What a crash in the middle leaves: a file that is no namespace.
            Directory.CreateDirectory(Path.GetDirectoryName(network.NamespacePath)!);
            File.WriteAllText(network.NamespacePath, "");
            Assert.False(network.Exists);
            network.SetUp();
            using var listening = network.Listen(LinkLocalAddresses.Host, 8080);
            network.SetUp();
            Assert.True(network.Exists);
            Assert.Contains(network.Name, LinkLocalNetwork.List());
        }
        finally
        {
            network.Remove();
            network.Remove();
        }

        Assert.False(File.Exists(network.NamespacePath));
    }

    private static SafeSocketHandle SafeHandle(Microsoft.Win32.SafeHandles.SafeFileHandle handle)
    {
        var socket = new SafeSocketHandle(handle.DangerousGetHandle(), ownsHandle: true);
        handle.SetHandleAsInvalid();
        return socket;
    }
}

/// <summary>The agent in a real guest, over QEMU's user network and the program that hands its connections over.</summary>
[Collection("user network guest")]
public class UserNetTests(SavedUserNetGuest saved) : AgentCutTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    protected override Task<AttachedGuest> StartAsync() => saved.StartAsync();

    [Fact]
    public async Task The_guest_reaches_neither_the_loopback_of_its_host_nor_networks_beyond()
    {
        using var trap = new Trap();
        await using var started = await saved.StartAsync();
        await using var console = await GuestConsole.ConnectAsync(started.Guest.ConsoleSocket);
        await console.ShAsync("route add default gw 169.254.169.2");
        foreach (var address in Trap.Addresses.Append("169.254.169.2").Append("169.254.169.3").Append("169.254.169.254"))
        {
            await console.ShAsync($"timeout 1 nc {address} {trap.Port} </dev/null; true");
        }

        Assert.Equal(0, trap.Connections);
    }

    [Fact]
    public async Task An_unprivileged_process_of_the_guest_that_speaks_the_protocol_does_not_become_the_agent()
    {
        await using var started = await saved.StartAsync();
        await using var channel = started.Attach();
        await channel.WaitReadyAsync(Soon);
        var (session, resumes) = (channel.Status.SessionId, channel.Status.Resumes);
        await using var console = await GuestConsole.ConnectAsync(started.Guest.ConsoleSocket);
        await console.ShAsync("echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd");
        const string nobody = "start-stop-daemon -S -q -n stranger -c nobody -a ";
        const string token = "/sys/firmware/qemu_fw_cfg/by_name/opt/org.channelsdk/token/raw";
        Assert.Equal("32", await console.ShAsync($"wc -c <{token}"));
        Assert.Contains("Permission denied", await console.ShAsync($"{nobody} /bin/busybox -- cat {token}"), StringComparison.Ordinal);
        Assert.Equal("65534", await console.ShAsync($"{nobody} /bin/busybox -- id -u"));

        await console.ShAsync("printf 'endpoint = \"tcp://169.254.169.254:9254\"\\ncontrol_socket = \"none\"\\n[qga]\\nlisten = \"off\"\\n' >/tmp/stranger.toml");
        // A whole agent, that dials again and again, and one that guesses a token.
        await console.ShAsync($"{nobody} /usr/sbin/channel-agent -- run --config /tmp/stranger.toml >/tmp/stranger.log 2>&1 & echo $! >/tmp/stranger");
        const string dialled = "$(sed -n 's/^Tcp: [0-9].*/&/p' /proc/net/snmp | cut -d' ' -f6)";
        Assert.Equal("dialled", await console.ShAsync(
            $"d={dialled}; i=0; until [ {dialled} -ge $((d + 3)) ] || [ $i = 300 ]; do usleep 100000; i=$((i+1)); done; [ $i = 300 ] || echo dial''led"));
        var log = await console.ShAsync("cat /tmp/stranger.log");
        Assert.Contains("ready, endpoint tcp://169.254.169.254:9254", log, StringComparison.Ordinal);
        Assert.DoesNotContain("is up", log, StringComparison.Ordinal);
        Assert.Equal("", await console.ShAsync($"printf 'CHTOKEN\001guess-guess-guess-guess-guess-gue' | {nobody} /bin/busybox -- timeout 8 nc 169.254.169.254 9254"));
        await channel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon);
        Assert.Equal((session, resumes), (channel.Status.SessionId, channel.Status.Resumes));

        // And while it goes on, the agent itself comes back.
        channel.DropLink("test");
        await channel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon);
        Assert.Equal(session, channel.Status.SessionId);
        Assert.Equal("1", await console.ShAsync("kill -0 $(cat /tmp/stranger) && echo 1"));
    }
}

/// <summary>A port of this machine, on all of its addresses, that no guest may reach.</summary>
internal sealed class Trap : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public Trap()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Any, 0));
        _socket.Listen();
    }

    public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    public static IEnumerable<string> Addresses => NetworkInterface.GetAllNetworkInterfaces()
        .SelectMany(device => device.GetIPProperties().UnicastAddresses)
        .Select(address => address.Address).Where(address => address.AddressFamily == AddressFamily.InterNetwork).Select(address => address.ToString());

    /// <summary>How many came.</summary>
    public int Connections
    {
        get
        {
            var count = 0;
            while (_socket.Poll(0, SelectMode.SelectRead))
            {
                _socket.Accept().Dispose();
                count++;
            }

            return count;
        }
    }

    public void Dispose() => _socket.Dispose();
}
