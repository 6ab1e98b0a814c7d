using System.Globalization;
using System.Net;
using System.Text.Json;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>guest-network-get-interfaces and guest-network-get-route.</summary>
internal static class QgaNetwork
{
    // The columns of /proc/net/dev behind the name.
    private static readonly (int Column, string Name)[] s_counters =
    [
        (0, "rx-bytes"), (1, "rx-packets"), (2, "rx-errs"), (3, "rx-dropped"), (8, "tx-bytes"), (9, "tx-packets"), (10, "tx-errs"), (11, "tx-dropped"),
    ];

    public static void Interfaces(QgaCall call)
    {
        call.Arguments.End();
        string[] counters = SmallFile.Read("/proc/net/dev").Split('\n');
        Utf8JsonWriter json = call.Json;
        json.WriteStartArray();
        foreach (NetworkInterfaceInfo entry in NetworkFacts.Collect().Interfaces)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, entry.Name);
            json.WriteString("hardware-address"u8, entry.Hardware);
            json.WriteStartArray("ip-addresses"u8);
            foreach (string address in entry.Addresses)
            {
                WriteAddress(json, address);
            }
            json.WriteEndArray();
            WriteCounters(json, counters, entry.Name);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    public static void Routes(QgaCall call)
    {
        call.Arguments.End();
        Utf8JsonWriter json = call.Json;
        json.WriteStartArray();
        foreach (RouteInfo route in NetworkFacts.Collect().Routes)
        {
            (string destination, int prefix) = Split(route.Destination);
            bool isSix = destination.Contains(':', StringComparison.Ordinal);
            json.WriteStartObject();
            json.WriteString("iface"u8, route.Interface);
            json.WriteString("destination"u8, destination);
            json.WriteString("gateway"u8, route.Gateway.Length > 0 ? route.Gateway : isSix ? "::" : "0.0.0.0");
            json.WriteNumber("metric"u8, 0);
            if (isSix)
            {
                json.WriteNumber("desprefixlen"u8, prefix);
            }
            else
            {
                json.WriteString("mask"u8, Mask(prefix));
            }
            json.WriteNumber("version"u8, isSix ? 6 : 4);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteAddress(Utf8JsonWriter json, string text)
    {
        (string address, int prefix) = Split(text);
        json.WriteStartObject();
        json.WriteString("ip-address"u8, address);
        json.WriteString("ip-address-type"u8, address.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4");
        json.WriteNumber("prefix"u8, prefix);
        json.WriteEndObject();
    }

    private static void WriteCounters(Utf8JsonWriter json, string[] lines, string name)
    {
        foreach (string line in lines)
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || line.AsSpan(0, colon).Trim() is var found && !found.SequenceEqual(name))
            {
                continue;
            }
            string[] words = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            json.WriteStartObject("statistics"u8);
            foreach ((int column, string counter) in s_counters)
            {
                json.WriteNumber(counter, column < words.Length ? ProcValues.Count(words[column]) : 0);
            }
            json.WriteEndObject();
            return;
        }
    }

    private static (string Address, int Prefix) Split(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int prefix)
            ? (text[..slash], prefix) : (text, 0);
    }

    private static string Mask(int prefix) =>
        new IPAddress(IPAddress.HostToNetworkOrder((int)(prefix == 0 ? 0 : uint.MaxValue << (32 - prefix))) & 0xFFFFFFFFL).ToString();
}
