using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// Interfaces, addresses and routes from /proc/net and /sys/class/net: netlink would need a socket family that the agent
/// is not allowed. Lines that cannot be understood are left out.
/// </summary>
internal static class NetworkFacts
{
    private const int MaxInterfaces = 64;
    private const int MaxRoutes = 128;
    private const int MaxAddresses = 256;
    private const uint RouteUp = 1;

    /// <summary>Everything of this guest.</summary>
    public static NetworkInfo Collect()
    {
        string routes = SmallFile.Read("/proc/net/route");
        var info = new NetworkInfo();
        info.Routes.AddRange(RoutesV4(routes).Concat(RoutesV6(SmallFile.Read("/proc/net/ipv6_route"))).Take(MaxRoutes));
        List<(string Interface, string Address)> addresses =
        [
            .. AddressesV4(SmallFile.Read("/proc/net/fib_trie"), info.Routes), .. AddressesV6(SmallFile.Read("/proc/net/if_inet6")),
        ];
        if (!Directory.Exists("/sys/class/net"))
        {
            return info;
        }
        foreach (string folder in Directory.EnumerateFileSystemEntries("/sys/class/net").Order(StringComparer.Ordinal).Take(MaxInterfaces))
        {
            string name = Path.GetFileName(folder);
            _ = uint.TryParse(SmallFile.Read(folder + "/mtu").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out uint mtu);
            var entry = new NetworkInterfaceInfo
            {
                Name = name, Hardware = SmallFile.Read(folder + "/address").Trim(), Mtu = mtu, State = SmallFile.Read(folder + "/operstate").Trim(),
            };
            entry.Addresses.AddRange(addresses.Where(address => address.Interface == name).Select(static address => address.Address));
            info.Interfaces.Add(entry);
        }
        return info;
    }

    /// <summary>Routes of /proc/net/route: hexadecimal words in the machine's byte order.</summary>
    internal static IEnumerable<RouteInfo> RoutesV4(string text)
    {
        foreach (string line in text.Split('\n').Skip(1))
        {
            string[] words = line.Split('\t', StringSplitOptions.TrimEntries);
            if (words.Length >= 8 && TryHex(words[1], out uint destination) && TryHex(words[2], out uint gateway)
                && TryHex(words[3], out uint flags) && TryHex(words[7], out uint mask) && (flags & RouteUp) != 0)
            {
                yield return new RouteInfo
                {
                    Interface = words[0],
                    Destination = string.Create(CultureInfo.InvariantCulture, $"{Text(destination)}/{uint.PopCount(mask)}"),
                    Gateway = gateway == 0 ? "" : Text(gateway),
                };
            }
        }
    }

    /// <summary>Routes of /proc/net/ipv6_route without those to the guest itself.</summary>
    internal static IEnumerable<RouteInfo> RoutesV6(string text)
    {
        foreach (string line in text.Split('\n'))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 10 && words[9] != "lo" && TryAddress(words[0], out string destination) && TryHex(words[1], out uint prefix)
                && TryAddress(words[4], out string gateway) && TryHex(words[8], out uint flags) && (flags & RouteUp) != 0)
            {
                yield return new RouteInfo
                {
                    Interface = words[9],
                    Destination = string.Create(CultureInfo.InvariantCulture, $"{destination}/{prefix}"),
                    Gateway = gateway == "::" ? "" : gateway,
                };
            }
        }
    }

    /// <summary>
    /// The guest's own addresses in /proc/net/fib_trie. That file names no interface: an address belongs to the one whose
    /// directly connected network it lies in, and loopback's to lo.
    /// </summary>
    internal static IEnumerable<(string Interface, string Address)> AddressesV4(string text, IReadOnlyCollection<RouteInfo> routes)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string last = "";
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.StartsWith("|-- ", StringComparison.Ordinal))
            {
                last = line[4..];
            }
            else if (line == "/32 host LOCAL" && IPAddress.TryParse(last, out IPAddress? address) && seen.Add(last) && seen.Count <= MaxAddresses)
            {
                RouteInfo? home = null;
                foreach (RouteInfo route in routes.Where(route => route.Gateway.Length == 0 && Contains(route.Destination, address)))
                {
                    home = home is null || PrefixLength(route) > PrefixLength(home) ? route : home;
                }
                yield return IPAddress.IsLoopback(address) ? ("lo", last + "/8")
                    : home is null ? ("", last + "/32") : (home.Interface, last + home.Destination[home.Destination.IndexOf('/')..]);
            }
        }
    }

    /// <summary>The addresses of /proc/net/if_inet6.</summary>
    internal static IEnumerable<(string Interface, string Address)> AddressesV6(string text)
    {
        foreach (string line in text.Split('\n').Take(MaxAddresses))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 6 && TryAddress(words[0], out string address) && TryHex(words[2], out uint prefix))
            {
                yield return (words[5], string.Create(CultureInfo.InvariantCulture, $"{address}/{prefix}"));
            }
        }
    }

    private static int PrefixLength(RouteInfo route) => int.Parse(route.Destination.AsSpan(route.Destination.IndexOf('/') + 1), CultureInfo.InvariantCulture);

    private static bool Contains(string network, IPAddress address) =>
        IPNetwork.TryParse(network, out IPNetwork parsed) && parsed.PrefixLength > 0 && parsed.Contains(address);

    private static bool TryHex(string word, out uint value) => uint.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);

    private static bool TryAddress(string word, out string address)
    {
        address = "";
        if (!UInt128.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out UInt128 value) || word.Length != 32)
        {
            return false;
        }
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        address = new IPAddress(bytes).ToString();
        return true;
    }

    private static string Text(uint address) => new IPAddress(address).ToString();
}
