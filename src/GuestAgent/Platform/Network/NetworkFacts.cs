using System.Globalization;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>Interfaces, addresses and routes as the kernel tells them by netlink; missing values are left out.</summary>
/// <param name="links">The interfaces, first those that lead out of the guest.</param>
/// <param name="routes">The routes of the main table, first the default ones, then those by devices.</param>
internal sealed class NetworkFacts(IReadOnlyList<NetworkLink> links, IReadOnlyList<NetworkRoute> routes)
{
    public IReadOnlyList<NetworkLink> Links { get; } = links;
    public IReadOnlyList<NetworkRoute> Routes { get; } = routes;

    // Of the 256 KiB of an answer.
    private const int MaxLinkBytes = 64 << 10;
    private const int MaxRouteBytes = 24 << 10;

    /// <summary>Reads everything of this guest.</summary>
    public static NetworkFacts Read()
    {
        var links = new LinkTable();
        // struct ifinfomsg, struct ifaddrmsg and twice struct rtmsg: all of it, but routes by their family.
        _ = RouteSocket.Read(LinkTable.Question, new byte[16], links);
        _ = RouteSocket.Read(AddressTable.Question, new byte[8], new AddressTable(links));
        var routes = new RouteTable(links);
        var more = new RouteTable(links);
        _ = RouteSocket.Read(RouteTable.Question, [AddressText.Four, .. new byte[11]], routes);
        _ = RouteSocket.Read(RouteTable.Question, [AddressText.Six, .. new byte[11]], more);
        return Of(links.Links.Values, [.. routes.Routes, .. more.Routes]);
    }

    /// <summary>Puts what was read in its order.</summary>
    internal static NetworkFacts Of(IEnumerable<NetworkLink> links, IReadOnlyList<NetworkRoute> routes)
    {
        var defaults = new List<int>();
        foreach (var route in routes)
        {
            if (route.Prefix == 0)
            {
                defaults.Add(route.Link);
            }
        }

        NetworkLink[] ordered = [.. links.OrderBy(link => Rank(link, defaults))];
        var devices = new List<int>();
        foreach (var link in ordered)
        {
            if (link.IsHardware)
            {
                devices.Add(link.Index);
            }
        }

        return new NetworkFacts(ordered, [.. routes.OrderBy(route => route.Prefix == 0 ? 0 : devices.Contains(route.Link) ? 1 : 2)]);
    }

    /// <summary>The same as messages of the channel, as much of it as has room in an answer.</summary>
    public NetworkInfo ToInfo()
    {
        var names = new Dictionary<int, string>();
        var info = new NetworkInfo();
        foreach (var link in Links)
        {
            names[link.Index] = link.Name;
        }

        info.Interfaces.AddRange(Links.Select(Interface).Within(MaxLinkBytes));
        info.Routes.AddRange(Routes.Select(route => Route(route, names.GetValueOrDefault(route.Link, ""))).Within(MaxRouteBytes));
        return info;
    }

    // A hundred interfaces of containers come before eth0 by their names, and may by their numbers.
    private static int Rank(NetworkLink link, List<int> defaults) =>
        link.IsHardware ? 0 : defaults.Contains(link.Index) ? 1 : link.Addresses.Any(static address => !address.Text.StartsWith("fe80:", StringComparison.Ordinal)) ? 2 : 3;

    private static NetworkInterfaceInfo Interface(NetworkLink link)
    {
        var info = new NetworkInterfaceInfo { Name = link.Name, Hardware = link.Hardware, Mtu = link.Mtu, State = link.State };
        info.Addresses.AddRange(link.Addresses.Select(static address => WithPrefix(address.Text, address.Prefix)));
        return info;
    }

    private static RouteInfo Route(NetworkRoute route, string name) =>
        new() { Interface = name, Destination = WithPrefix(route.Destination, route.Prefix), Gateway = route.Gateway };

    private static string WithPrefix(string address, int prefix) => string.Create(CultureInfo.InvariantCulture, $"{address}/{prefix}");
}
