using System.Buffers.Binary;
using System.Text;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class NetworkFactsTests
{
    private const string Routes =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
        "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
        "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
        "eth1\t0000A8C0\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    [Fact]
    public void Routes_are_read_without_those_that_are_down()
    {
        Assert.Equal(
            [("eth0", "0.0.0.0/0", "10.0.2.2"), ("eth0", "10.0.2.0/24", "")],
            NetworkFacts.RoutesV4(Routes).Select(r => (r.Interface, r.Destination, r.Gateway)));
    }

    [Fact]
    public void Addresses_go_to_the_interface_of_their_network()
    {
        const string trie = """
            Main:
              +-- 0.0.0.0/0 3 0 5
                 |-- 10.0.2.15
                    /32 host LOCAL
                 |-- 10.0.2.255
                    /32 link BROADCAST
                 |-- 127.0.0.1
                    /32 host LOCAL
            Local:
                 |-- 10.0.2.15
                    /32 host LOCAL
                 |-- 172.16.0.9
                    /32 host LOCAL
            """;
        Assert.Equal(
            [("eth0", "10.0.2.15/24"), ("lo", "127.0.0.1/8"), ("", "172.16.0.9/32")],
            NetworkFacts.AddressesV4(trie, [.. NetworkFacts.RoutesV4(Routes)]));
    }

    [Fact]
    public void Version_6_addresses_and_routes_are_read()
    {
        Assert.Equal([("eth0", "fe80::5054:ff:fe12:3456/64")],
            NetworkFacts.AddressesV6("fe80000000000000505400fffe123456 02 40 20 80     eth0\ngarbage\nzz 1 2 3 4 5\n"));
        const string zero = "00000000000000000000000000000000";
        RouteInfo route = Assert.Single(NetworkFacts.RoutesV6(
            $"{zero} 00 {zero} 00 fe800000000000000000000000000002 00000400 00000001 00000000 00000003     eth0\n{zero} 80 {zero} 00 {zero} 0 1 0 00000001 lo\n"));
        Assert.Equal(("::/0", "fe80::2", "eth0"), (route.Destination, route.Gateway, route.Interface));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\nb\tc\td\te\tf\tg\th\ti\n")]
    public void What_is_no_table_gives_nothing(string text)
    {
        Assert.Empty(NetworkFacts.RoutesV4(text));
        Assert.Empty(NetworkFacts.RoutesV6(text));
        Assert.Empty(NetworkFacts.AddressesV6(text));
        Assert.Empty(NetworkFacts.AddressesV4(text, []));
    }

    [Fact]
    public void Users_are_the_login_records_of_user_processes()
    {
        byte[] records = new byte[384 * 2 + 100];
        BinaryPrimitives.WriteInt16LittleEndian(records, 7);
        Encoding.UTF8.GetBytes("pts/0").CopyTo(records, 8);
        Encoding.UTF8.GetBytes("alice").CopyTo(records, 44);
        BinaryPrimitives.WriteInt32LittleEndian(records.AsSpan(340), 1_700_000_000);
        BinaryPrimitives.WriteInt16LittleEndian(records.AsSpan(384), 2);

        UserInfo user = Assert.Single(LoginRecords.Parse(records));

        Assert.Equal(("alice", "pts/0", 1_700_000_000_000), (user.Name, user.Terminal, user.SinceUnixMs));
    }

    [Fact]
    public void This_machines_interfaces_disks_and_file_systems_can_be_collected()
    {
        Assert.Contains(NetworkFacts.Collect().Interfaces, card => card.Name == "lo" && card.Mtu > 0);
        Assert.All(StorageFacts.Disks(), disk => Assert.True(disk.SizeBytes > 0));
    }
}
