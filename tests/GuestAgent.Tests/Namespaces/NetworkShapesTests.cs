using System.Text.Json;
using ChannelSdk.Host.Info;
using Xunit.Abstractions;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>The shapes of networks that guests have, as ip(8), qemu-ga and our agent see them.</summary>
/// <param name="rig">Where they are made.</param>
/// <param name="output">Takes a line for each.</param>
[Trait(Lane.Name, Lane.Integration)]
public sealed class NetworkShapesTests(NetworkRig rig, ITestOutputHelper output) : IClassFixture<NetworkRig>
{
    public static TheoryData<string, string> Shapes => new()
    {
        {
            "address of 32 bits, gateway off the link",
            "card eth0; ip addr add 10.128.0.5/32 dev eth0; ip route add 10.128.0.1 dev eth0; ip route add default via 10.128.0.1 metric 100"
        },
        { "point to point", "card p2p0; ip addr add 10.8.0.1 peer 10.8.0.2 dev p2p0; ip addr add fd00::1 peer fd00::2 dev p2p0" },
        { "alias of the loopback device", "ip addr add 10.99.99.1/32 dev lo; ip addr add 172.31.0.7/24 dev lo" },
        {
            "two cards in one network, with addresses of services",
            """
            card eth1; card eth2; card anyc0
            ip addr add 192.168.7.5/24 dev eth1; ip addr add 192.168.7.6/24 dev eth2
            ip addr add 192.168.7.50/32 dev eth1; ip addr add 192.168.7.99/32 dev anyc0
            ip route add default via 192.168.7.1 dev eth1 metric 100; ip route add default via 192.168.7.1 dev eth2 metric 200
            """
        },
        { "card that is down and has an address", "card eth0; ip addr add 172.20.0.9/16 dev eth0; ip link set eth0 down" },
        {
            "eighty cards of containers",
            """
            for i in $(seq 80); do ip link add cali$i type veth peer name c$i; ip link set cali$i up; ip link set c$i up; done
            card eth0; ip addr add 10.1.2.3/24 dev eth0; ip route add default via 10.1.2.1
            """
        },
        {
            "hundred and fifty routes",
            """
            for i in $(seq 10); do card v$i; done
            for i in $(seq 150); do ip route add 10.244.$i.0/24 dev v$((i % 10 + 1)); done
            card eth0; ip addr add 192.168.1.3/24 dev eth0; ip route add default via 192.168.1.1
            """
        },
        {
            "IPv6: global, deprecated, local to the link, ISATAP",
            """
            card eth0
            ip addr add 2001:db8::10/64 dev eth0 nodad; ip addr add 2001:db8::11/64 dev eth0 nodad preferred_lft 0
            ip addr add fe80::5efe:a00:1/64 dev eth0 nodad; ip addr add ::ffff:0:1.2.3.4/96 dev eth0 nodad
            ip route add default via fe80::1 dev eth0 metric 1024; ip route add 2001:db8:1::/48 via 2001:db8::1
            """
        },
        {
            "cards upon cards: macvlan, vxlan, VLAN",
            """
            card eth0; ip addr add 10.0.0.2/24 dev eth0
            ip link add ma0 link eth0 type macvlan; ip link set ma0 up; ip addr add 10.0.0.3/24 dev ma0
            ip link add vx0 type vxlan id 5 dev eth0 dstport 4789; ip addr add 10.5.0.1/24 dev vx0
            perhaps ip link add link eth0 name eth0.100 type vlan id 100; perhaps ip addr add 10.100.0.1/24 dev eth0.100
            """
        },
        {
            "bridge with ports, bond",
            """
            card eth0; ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0; ip addr add 10.3.0.1/16 dev br0
            ip route add default via 10.3.0.254
            perhaps ip link add bond0 type bond; perhaps ip link add dummy0 type dummy
            """
        },
        {
            "many addresses, with labels",
            """
            card eth0
            for i in $(seq 150); do echo "addr add 10.60.0.$i/16 dev eth0 label eth0:$i"; echo "addr add 2001:db8::$i/64 dev eth0 nodad"; done | ip -batch -
            """
        },
        {
            "without a hardware address, and routes of several ways",
            """
            ip tuntap add tun0 mode tun; ip addr add 10.70.0.1/24 dev tun0; ip link set tun0 up
            card eth0; ip addr add 10.71.0.1/24 dev eth0; card eth1; ip addr add 10.72.0.1/24 dev eth1
            ip route add 10.80.0.0/16 nexthop via 10.71.0.9 nexthop via 10.72.0.9; ip route add 10.81.0.0/16 via 10.71.0.9 metric 7
            ip route add blackhole 10.82.0.0/16; ip route add 10.83.0.0/16 dev eth0 table 99; ip route add 10.84.0.0/16 via inet6 fe80::9 dev eth1
            """
        },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Interfaces_addresses_and_routes_are_those_of_the_kernel(string name, string script)
    {
        await rig.MakeAsync(script);
        string cards, four, six;
        NetworkInfo info;
        JsonElement own, theirs, later, routes;
        do
        {
            // Once it is quiet: state words and addresses of links follow when a card is up.
            cards = await rig.Agent.InsideAsync("ip", "-j", "addr");
            (four, six) = (await rig.Agent.InsideAsync("ip", "-4", "-j", "route"), await rig.Agent.InsideAsync("ip", "-6", "-j", "route"));
            theirs = await rig.Theirs.CallAsync("guest-network-get-interfaces");
            info = (await rig.Agent.Instance.Info.GetAsync(rig.Agent.Soon)).Network!;
            own = await rig.Own.CallAsync("guest-network-get-interfaces");
            routes = await rig.Own.CallAsync("guest-network-get-route");
            later = await rig.Theirs.CallAsync("guest-network-get-interfaces");
        }
        while (await rig.Agent.InsideAsync("ip", "-j", "addr") != cards || await rig.Agent.InsideAsync("ip", "-6", "-j", "route") != six);

        Assert.Equal(NetworkView.OfIp(cards, withState: true), NetworkView.OfInfo(info));
        Assert.Equal(NetworkView.OfIp(cards, withState: false), NetworkView.OfQga(own, isTheirs: false));
        Assert.Equal(NetworkView.OfQga(theirs, isTheirs: true), NetworkView.OfQga(own, isTheirs: false));
        var (before, counters, after) =
            (NetworkView.Counters(theirs), NetworkView.Counters(own), NetworkView.Counters(later));
        // qemu-ga leaves those out that its reading of /proc/net/dev has missed.
        Assert.All(counters.Where(counter => before.ContainsKey(counter.Key) && after.ContainsKey(counter.Key)),
            counter => Assert.InRange(counter.Value, before[counter.Key], after[counter.Key]));
        Assert.Equal(8 * own.GetArrayLength(), counters.Count);
        string[] expected = [.. NetworkView.RoutesOfIp(four, six, withMetric: true).Where(static route => !route.EndsWith("dev  metric 0", StringComparison.Ordinal))];
        Assert.Equal(expected, NetworkView.RoutesOfQga(routes));
        Assert.Equal(NetworkView.RoutesOfIp(four, six, withMetric: false).Where(static route => !route.Contains("dev  ", StringComparison.Ordinal)), NetworkView.RoutesOfInfo(info));
        if (script.Contains("route add default", StringComparison.Ordinal))
        {
            Assert.Contains(info.Routes[0].Destination, (string[])["0.0.0.0/0", "::/0"]);
            Assert.Equal(info.Routes[0].Interface, info.Interfaces[0].Name);
        }

        output.WriteLine($"{name}: {own.GetArrayLength()} interfaces, {own.EnumerateArray().Sum(static card => card.GetProperty("ip-addresses").GetArrayLength())} addresses, "
            + $"{routes.GetArrayLength()} routes: info = ip, qga = ip, qga = qemu-ga");
    }
}
