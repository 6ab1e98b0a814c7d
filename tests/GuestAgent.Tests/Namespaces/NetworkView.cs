using System.Globalization;
using System.Net;
using System.Text.Json;
using ChannelSdk.Host.Info;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>Interfaces and routes in one form, from each source: sorted lines.</summary>
internal static class NetworkView
{
    /// <summary>Interfaces by <c>ip -j addr</c>; with what only the channel tells too, or without.</summary>
    public static string[] OfIp(string json, bool withState) =>
        Lines(Items(json), static card => Text(card, "ifname"), card =>
            [
                Text(card, "address"), .. withState ? (string[])[Number(card, "mtu"), Text(card, "operstate").ToLowerInvariant()] : [],
                .. card.GetProperty("addr_info").EnumerateArray().Select(static address => $"{Text(address, "local")}/{Number(address, "prefixlen")}").Order(StringComparer.Ordinal),
            ]);

    /// <summary>Interfaces by info.Get.</summary>
    public static string[] OfInfo(NetworkInfo info) =>
        [.. info.Interfaces.Select(static card => string.Join(' ',
            [card.Name, card.Hardware, Invariant((uint)card.Mtu), card.State, .. card.Addresses.Order(StringComparer.Ordinal)])).Order(StringComparer.Ordinal)];

    /// <summary>
    /// Interfaces by guest-network-get-interfaces. qemu-ga has its own interface for each label of an address, and zeros for an
    /// interface that has no hardware address.
    /// </summary>
    public static string[] OfQga(JsonElement list, bool isTheirs)
    {
        var cards = new SortedDictionary<string, (string Hardware, List<string> Addresses)>(StringComparer.Ordinal);
        foreach (var card in list.EnumerateArray())
        {
            var name = Text(card, "name");
            if (isTheirs)
            {
                name = name.Split(':')[0];
            }

            Assert.True(isTheirs || !cards.ContainsKey(name), $"{name} is listed twice");
            var (hardware, addresses) = cards.TryGetValue(name, out (string, List<string>) known) ? known : (Text(card, "hardware-address"), []);
            Assert.True(isTheirs || !card.TryGetProperty("hardware-address", out var given) || given.GetString()!.Length > 0, $"{name} has an empty hardware address");
            if (card.TryGetProperty("ip-addresses", out var all))
            {
                addresses.AddRange(all.EnumerateArray().Select(static address =>
                {
                    Assert.Equal(Text(address, "ip-address").Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4", Text(address, "ip-address-type"));
                    return $"{Text(address, "ip-address")}/{Number(address, "prefix")}";
                }));
            }

            cards[name] = (isTheirs && name == "tun0" && hardware == "00:00:00:00:00:00" ? "" : hardware, addresses);
        }

        return [.. cards.Select(static card => string.Join(' ', [card.Key, card.Value.Hardware, .. card.Value.Addresses.Order(StringComparer.Ordinal)])).Order(StringComparer.Ordinal)];
    }

    /// <summary>The counters by guest-network-get-interfaces.</summary>
    public static Dictionary<string, long> Counters(JsonElement list) => list.EnumerateArray()
        .Where(static card => card.TryGetProperty("statistics", out _))
        .SelectMany(static card => card.GetProperty("statistics").EnumerateObject().Select(counter => ($"{Text(card, "name")} {counter.Name}", counter.Value.GetInt64())))
        .ToDictionary(static each => each.Item1, static each => each.Item2);

    /// <summary>Routes by <c>ip -j route</c>, with metrics or without.</summary>
    public static string[] RoutesOfIp(string four, string six, bool withMetric)
    {
        string[] Of(string json, bool isSix) => [.. Items(json).SelectMany(route => Hops(route).Select(hop => Line(
            Text(hop, "dev"), Network(Text(route, "dst"), isSix),
            hop.TryGetProperty("via", out var via) ? Text(via, "host") : Text(hop, "gateway"), withMetric ? (int.TryParse(Number(route, "metric"), out var metric) ? metric : 0) : -1)))];
        return [.. Of(four, false).Concat(Of(six, true)).Order(StringComparer.Ordinal)];
    }

    /// <summary>Routes by info.Get.</summary>
    public static string[] RoutesOfInfo(NetworkInfo info) =>
        [.. info.Routes.Select(static route => Line(route.Interface, route.Destination, route.Gateway, -1)).Order(StringComparer.Ordinal)];

    /// <summary>Routes by guest-network-get-route, whose types are those of the schema.</summary>
    public static string[] RoutesOfQga(JsonElement list) => [.. list.EnumerateArray().Select(static route =>
    {
        var isSix = route.GetProperty("version").GetInt32() == 6;
        var prefix = isSix ? route.GetProperty("desprefixlen").GetString()!
            : new IPNetwork(IPAddress.Any, Bits(route.GetProperty("mask").GetString()!)).PrefixLength.ToString(CultureInfo.InvariantCulture);
        var gateway = route.GetProperty(isSix ? "nexthop" : "gateway").GetString()!;
        var isDirect = IPAddress.Parse(gateway) is var parsed && (parsed.Equals(IPAddress.Any) || parsed.Equals(IPAddress.IPv6Any));
        Assert.Equal(isDirect ? 1 : 3, route.GetProperty("flags").GetInt32() & 3);
        return Line(Text(route, "iface"), $"{Text(route, "destination")}/{prefix}", isDirect ? "" : gateway, route.GetProperty("metric").GetInt32());
    }).Order(StringComparer.Ordinal)];

    private static int Bits(string mask) => (int)IPAddress.Parse(mask).GetAddressBytes().Sum(static part => long.PopCount(part));

    private static string Line(string device, string network, string gateway, int metric) => $"{network} via '{gateway}' dev {device} metric {metric}";

    private static string Network(string text, bool isSix) =>
        text == "default" ? isSix ? "::/0" : "0.0.0.0/0" : text.Contains('/', StringComparison.Ordinal) ? text : isSix ? text + "/128" : text + "/32";

    private static JsonElement[] Hops(JsonElement route) => route.TryGetProperty("nexthops", out var hops) ? [.. hops.EnumerateArray()] : [route];

    private static string[] Lines(IEnumerable<JsonElement> items, Func<JsonElement, string> name, Func<JsonElement, IEnumerable<string>> rest) =>
        [.. items.Select(item => string.Join(' ', [name(item), .. rest(item)])).Order(StringComparer.Ordinal)];

    private static JsonElement[] Items(string json) => [.. JsonDocument.Parse(json).RootElement.EnumerateArray()];

    private static string Text(JsonElement item, string name) => item.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    private static string Number(JsonElement item, string name) => item.TryGetProperty(name, out var value) ? value.GetRawText() : "";

    private static string Invariant(uint number) => number.ToString(CultureInfo.InvariantCulture);
}
