using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>The network model in the formats of OpenStack (network_data.json) and of cloud-init (network-config, version 2).</summary>
internal static class NetworkDocuments
{
    public static JsonObject OpenStack(NetworkModel network)
    {
        var (links, networks) = (new JsonArray(), new JsonArray());
        foreach (var nic in network.Interfaces)
        {
            var link = new JsonObject { ["id"] = nic.Name, ["type"] = "phy", ["ethernet_mac_address"] = nic.Mac };
            if (nic.Mtu is { } mtu)
            {
                link["mtu"] = mtu;
            }

            links.Add((JsonNode)link);
            if (nic.Dhcp)
            {
                networks.Add((JsonNode)new JsonObject { ["id"] = $"{nic.Name}-dhcp", ["type"] = "ipv4_dhcp", ["link"] = nic.Name });
            }

            foreach (var (index, (address, subnet)) in nic.Addresses.Zip(nic.Subnets).Index())
            {
                networks.Add((JsonNode)Static(nic, index, address, subnet, FirstOfFamily(nic, index)));
            }
        }

        return new JsonObject
        {
            ["links"] = links,
            ["networks"] = networks,
            ["services"] = new JsonArray([.. network.Dns.Select(d => new JsonObject { ["type"] = "dns", ["address"] = d })]),
        };
    }

    public static JsonObject CloudInit(NetworkModel network)
    {
        var ethernets = new JsonObject();
        foreach (var nic in network.Interfaces)
        {
            var entry = new JsonObject { ["match"] = new JsonObject { ["macaddress"] = nic.Mac }, ["set-name"] = nic.Name };
            if (nic.Dhcp)
            {
                entry["dhcp4"] = true;
            }

            if (nic.Addresses.Count > 0)
            {
                entry["addresses"] = new JsonArray([.. nic.Addresses.Zip(nic.Subnets, (a, s) => JsonValue.Create($"{a}/{s.PrefixLength}"))]);
            }

            if (nic.Gateway is { } gateway)
            {
                entry["gateway4"] = gateway.ToString();
            }

            if (nic.Gateway6 is { } gateway6)
            {
                entry["gateway6"] = gateway6.ToString();
            }

            if (nic.Mtu is { } mtu)
            {
                entry["mtu"] = mtu;
            }

            if (network.Dns.Count > 0)
            {
                entry["nameservers"] = new JsonObject
                {
                    ["addresses"] = new JsonArray([.. network.Dns.Select(d => JsonValue.Create(d))]),
                    ["search"] = new JsonArray([.. network.Search.Select(s => JsonValue.Create(s))]),
                };
            }

            ethernets[nic.Name] = entry;
        }

        return new JsonObject { ["version"] = 2, ["ethernets"] = ethernets };
    }

    private static JsonObject Static(InterfaceModel nic, int index, IPAddress address, IPNetwork subnet, bool isFirstOfFamily)
    {
        var isV4 = address.AddressFamily == AddressFamily.InterNetwork;
        var result = new JsonObject
        {
            ["id"] = FormattableString.Invariant($"{nic.Name}-{index}"),
            ["type"] = isV4 ? "ipv4" : "ipv6",
            ["link"] = nic.Name,
            ["ip_address"] = address.ToString(),
            ["netmask"] = Mask(subnet.PrefixLength, isV4 ? 4 : 16),
        };
        if ((isV4 ? nic.Gateway : nic.Gateway6) is { } gateway && isFirstOfFamily)
        {
            var any = isV4 ? "0.0.0.0" : "::";
            result["routes"] = new JsonArray(new JsonObject { ["network"] = any, ["netmask"] = any, ["gateway"] = gateway.ToString() });
        }

        return result;
    }

    // One default route for a family, or the guest has the same one several times.
    private static bool FirstOfFamily(InterfaceModel nic, int index) =>
        !nic.Addresses.Take(index).Any(a => a.AddressFamily == nic.Addresses[index].AddressFamily);

    private static string Mask(int length, int bytes)
    {
        var mask = new byte[bytes];
        for (var bit = 0; bit < length; bit++)
        {
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        return new IPAddress(mask).ToString();
    }
}
