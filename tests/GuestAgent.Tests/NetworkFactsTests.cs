using System.Buffers.Binary;
using System.Text;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Platform.Network;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class NetworkFactsTests
{
    [Fact]
    public void Devices_come_first_then_interfaces_with_the_default_route_then_those_with_addresses()
    {
        NetworkLink[] links =
        [
            .. Enumerable.Range(1, 90).Select(static i => Link(i, $"cali{i}", isHardware: false, "fe80::1")),
            Link(91, "docker0", isHardware: false, "172.17.0.1"), Link(92, "bond0", isHardware: false), Link(93, "eth0", isHardware: true),
        ];

        var facts = NetworkFacts.Of(links, [new NetworkRoute(92, false, "0.0.0.0", 0, "10.0.0.1", 0)]);

        Assert.Equal(["eth0", "bond0", "docker0", "cali1", "cali2"], facts.Links.Take(5).Select(static link => link.Name));
    }

    [Fact]
    public void What_has_no_room_in_an_answer_is_the_end_of_the_list_and_a_long_item_makes_way_for_short_ones()
    {
        NetworkLink[] links = [.. Enumerable.Range(1, 3000).Select(static i => Link(i, $"cali{i:x11}", isHardware: false)), Link(9000, "eth0", isHardware: true, "10.0.0.1")];
        links[0].Addresses.AddRange(Enumerable.Range(0, 512).Select(static i => new NetworkAddress(true, $"fe80:1234:5678:9abc:def0:1234:5678:{i:x4}", 64)));
        NetworkRoute[] routes = [.. Enumerable.Range(0, 1500).Select(static i => new NetworkRoute(9000, false, "10.10.10.0", 24, "10.0.0.254", 0))];

        var info = NetworkFacts.Of(links, routes).ToInfo();

        Assert.Equal("eth0", info.Interfaces[0].Name);
        Assert.InRange(info.CalculateSize(), 70_000, 90_000);
        Assert.All(info.Routes, static route => Assert.Equal("eth0", route.Interface));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("000000000000000000000000000000000000")]
    [InlineData("0200fefe0100000001000000ffff0100")]
    [InlineData("0218000000fe0001000000000400090007000000")]
    [InlineData("0218000000fe000100000000140009000800000001000000ffff0500")]
    public void A_message_that_makes_no_sense_is_passed_over(string hexadecimal)
    {
        var body = Convert.FromHexString(hexadecimal);
        var links = new LinkTable();
        foreach (var type in (int[])[0, 16, 20, 24, 99])
        {
            links.Add(type, body);
            new AddressTable(links).Add(type, body);
            new RouteTable(links).Add(type, body);
        }

        Assert.Empty(links.Links);
    }

    [Fact]
    public void Users_are_the_login_records_of_user_processes()
    {
        var records = new byte[384 * 2 + 100];
        BinaryPrimitives.WriteInt16LittleEndian(records, 7);
        Encoding.UTF8.GetBytes("pts/0").CopyTo(records, 8);
        Encoding.UTF8.GetBytes("alice").CopyTo(records, 44);
        BinaryPrimitives.WriteInt32LittleEndian(records.AsSpan(340), 1_700_000_000);
        BinaryPrimitives.WriteInt16LittleEndian(records.AsSpan(384), 2);

        var user = Assert.Single(LoginRecords.Parse(records));

        Assert.Equal(("alice", "pts/0", 1_700_000_000_000), (user.Name, user.Terminal, user.SinceUnixMs));
    }

    [Fact]
    public void Disks_come_before_devices_that_only_look_like_disks()
    {
        var folder = Directory.CreateTempSubdirectory("agent-test-");
        foreach (var name in (string[])["loop0/queue", "loop1/queue", "nvme0n1/device", "vda/device", "zram0/queue"])
        {
            folder.CreateSubdirectory(name);
        }

        Assert.Equal(["nvme0n1", "vda", "loop0", "loop1", "zram0"], StorageFacts.InOrder(folder.FullName).Select(Path.GetFileName));
        folder.Delete(recursive: true);
    }

    [Fact]
    public void This_machines_interfaces_disks_and_file_systems_can_be_collected()
    {
        Assert.Contains(NetworkFacts.Read().ToInfo().Interfaces, card => card.Name == "lo" && card.Mtu > 0);
        Assert.All(StorageFacts.Disks(), disk => Assert.True(disk.SizeBytes > 0));
    }

    private static NetworkLink Link(int index, string name, bool isHardware, params string[] addresses)
    {
        var link = new NetworkLink(index, name, "", 1500, "up", isHardware, default);
        link.Addresses.AddRange(addresses.Select(static address => new NetworkAddress(address.Contains(':', StringComparison.Ordinal), address, 64)));
        return link;
    }
}
