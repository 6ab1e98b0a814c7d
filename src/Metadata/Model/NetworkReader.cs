using System.Net;
using System.Net.Sockets;
using ChannelSdk.Metadata.Documents;

namespace ChannelSdk.Metadata.Model;

/// <summary>The network part of a document.</summary>
internal static class NetworkReader
{
    public static NetworkModel? Read(DocumentMap? map)
    {
        if (map is null)
        {
            return null;
        }

        var interfaces = map.Maps("interfaces", ["name", "mac", "addresses", "gateway", "gateway6", "mtu", "dhcp"]).Select(Interface).ToArray();
        foreach (var twice in interfaces.GroupBy(i => i.Mac).Where(g => g.Count() > 1).Concat(interfaces.GroupBy(i => i.Name).Where(g => g.Count() > 1)))
        {
            throw DocumentError.At(map.PathOf("interfaces"), $"two interfaces have {twice.Key}; MAC addresses and names are one interface's own");
        }

        return new NetworkModel
        {
            Interfaces = interfaces,
            Dns = [.. map.Texts("dns").Select((text, i) => IPAddress.TryParse(text, out var address) ? address.ToString()
                : throw DocumentError.At($"{map.PathOf("dns")}[{i}]", "it must be an IP address"))],
            Search = map.Texts("search"),
        };
    }

    private static InterfaceModel Interface(DocumentMap map)
    {
        var name = map.Required("name", "eth0");
        if (name.Length > 15 || name.Any(c => !(char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')))
        {
            throw DocumentError.At(map.PathOf("name"), "it must have 1 to 15 characters of letters, digits and - _ .");
        }

        var mac = map.Required("mac", "52:54:00:12:34:56").ToLowerInvariant();
        if (mac.Length != 17 || mac.Where((c, i) => i % 3 == 2 ? c != ':' : !char.IsAsciiHexDigit(c)).Any())
        {
            throw DocumentError.At(map.PathOf("mac"), "it must be six octets with colons, for instance 52:54:00:12:34:56");
        }

        if ((Convert.ToByte(mac[..2], 16) & 1) != 0 || mac == "00:00:00:00:00:00")
        {
            throw DocumentError.At(map.PathOf("mac"), "it must be the address of one interface: the first octet even, and not all zero");
        }

        var addresses = map.Texts("addresses").Select((text, i) => Address(text, $"{map.PathOf("addresses")}[{i}]")).ToArray();
        return new InterfaceModel
        {
            Name = name,
            Mac = mac,
            Addresses = [.. addresses.Select(a => a.Address)],
            Subnets = [.. addresses.Select(a => a.Subnet)],
            Gateway = Gateway(map, "gateway", AddressFamily.InterNetwork),
            Gateway6 = Gateway(map, "gateway6", AddressFamily.InterNetworkV6),
            Mtu = map.Number("mtu", 576, 65535),
            Dhcp = map.Flag("dhcp"),
        };
    }

    private static (IPAddress Address, IPNetwork Subnet) Address(string text, string place)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !IPAddress.TryParse(text.AsSpan(0, slash), out var address) || !int.TryParse(text.AsSpan(slash + 1), System.Globalization.NumberStyles.None, null, out var length)
            || length > (address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128) || text.Contains('%', StringComparison.Ordinal))
        {
            throw DocumentError.At(place, "it must be an address with its prefix length, for instance 192.0.2.5/24");
        }

        var bytes = address.GetAddressBytes();
        for (var bit = length; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return (address, new IPNetwork(new IPAddress(bytes), length));
    }

    private static IPAddress? Gateway(DocumentMap map, string key, AddressFamily family)
    {
        if (map.Line(key) is not { } text)
        {
            return null;
        }

        return IPAddress.TryParse(text, out var address) && address.AddressFamily == family ? address
            : throw DocumentError.At(map.PathOf(key), family == AddressFamily.InterNetwork ? "it must be an IPv4 address" : "it must be an IPv6 address");
    }
}
