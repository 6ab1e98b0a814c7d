using System.Globalization;
using System.Net;
using System.Text.Json;
using ChannelSdk.GuestAgent.Platform.Network;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>guest-network-get-interfaces and guest-network-get-route.</summary>
internal static class QgaNetwork
{
    private const int MaxInterfaces = 1024;

    // linux/route.h
    private const int Up = 1;
    private const int ByGateway = 2;
    private const int ToHost = 4;

    public static void Interfaces(QgaCall call)
    {
        call.Arguments.End();
        var json = call.Json;
        json.WriteStartArray();
        foreach (var link in NetworkFacts.Read().Links.Take(MaxInterfaces))
        {
            json.WriteStartObject();
            json.WriteString("name"u8, link.Name);
            if (link.Hardware.Length > 0)
            {
                json.WriteString("hardware-address"u8, link.Hardware);
            }

            json.WriteStartArray("ip-addresses"u8);
            foreach (var address in link.Addresses)
            {
                json.WriteStartObject();
                json.WriteString("ip-address"u8, address.Text);
                json.WriteString("ip-address-type"u8, address.IsSix ? "ipv6" : "ipv4");
                json.WriteNumber("prefix"u8, address.Prefix);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteCounters(json, link.Counters);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void Routes(QgaCall call)
    {
        call.Arguments.End();
        var network = NetworkFacts.Read();
        var names = new Dictionary<int, string>();
        foreach (var link in network.Links)
        {
            names[link.Index] = link.Name;
        }

        var json = call.Json;
        json.WriteStartArray();
        foreach (var route in network.Routes)
        {
            var none = route.IsSix ? "::" : "0.0.0.0";
            json.WriteStartObject();
            json.WriteString("iface"u8, names.GetValueOrDefault(route.Link, ""));
            json.WriteString("destination"u8, route.Destination);
            json.WriteNumber("metric"u8, route.Metric);
            json.WriteNumber("flags"u8, Up | (route.Gateway.Length > 0 ? ByGateway : 0) | (route.Prefix == (route.IsSix ? 128 : 32) ? ToHost : 0));
            var gateway = route.Gateway.Length > 0 ? route.Gateway : none;
            json.WriteString("gateway"u8, gateway);
            if (route.IsSix)
            {
                // Texts, by the schema.
                json.WriteString("desprefixlen"u8, route.Prefix.ToString(CultureInfo.InvariantCulture));
                json.WriteString("source"u8, route.Source.Address);
                json.WriteString("srcprefixlen"u8, route.Source.Prefix.ToString(CultureInfo.InvariantCulture));
                json.WriteString("nexthop"u8, gateway);
            }
            else
            {
                json.WriteString("mask"u8, Mask(route.Prefix));
            }

            json.WriteNumber("version"u8, route.IsSix ? 6 : 4);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteCounters(Utf8JsonWriter json, in NetworkCounters counters)
    {
        json.WriteStartObject("statistics"u8);
        json.WriteNumber("rx-bytes"u8, counters.ReceivedBytes);
        json.WriteNumber("rx-packets"u8, counters.ReceivedPackets);
        json.WriteNumber("rx-errs"u8, counters.ReceivedErrors);
        json.WriteNumber("rx-dropped"u8, counters.ReceivedDropped);
        json.WriteNumber("tx-bytes"u8, counters.SentBytes);
        json.WriteNumber("tx-packets"u8, counters.SentPackets);
        json.WriteNumber("tx-errs"u8, counters.SentErrors);
        json.WriteNumber("tx-dropped"u8, counters.SentDropped);
        json.WriteEndObject();
    }

    private static string Mask(int prefix) =>
        new IPAddress(IPAddress.HostToNetworkOrder((int)(prefix == 0 ? 0 : uint.MaxValue << (32 - prefix))) & 0xFFFFFFFFL).ToString();
}
