using System.Buffers.Binary;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>The routes of the main table that lead out by an interface, bounded: default routes and those by devices before others.</summary>
/// <param name="links">The interfaces.</param>
internal sealed class RouteTable(LinkTable links) : INetworkTable
{
    public const ushort Question = 26;
    private const int Entry = 24;
    private const int HeadBytes = 12;
    private const int MaxOfRank = 512;

    // linux/rtnetlink.h
    private const int Destination = 1;
    private const int SourceOf = 2;
    private const int OutBy = 4;
    private const int GatewayOf = 5;
    private const int Priority = 6;
    private const int Multipath = 9;
    private const int Table = 15;
    private const int Via = 18;
    private const int MainTable = 254;
    private const byte Unicast = 1;
    private const uint Cloned = 0x200;
    private const byte Dead = 1;
    private readonly List<NetworkRoute>[] _ranks = [[], [], []];

    /// <summary>In the order of their ranks; within one, in the kernel's.</summary>
    public IEnumerable<NetworkRoute> Routes => _ranks[0].Concat(_ranks[1]).Concat(_ranks[2]);

    public void Clear() => Array.ForEach(_ranks, static rank => rank.Clear());

    public void Add(int type, ReadOnlySpan<byte> body)
    {
        if (type != Entry || body.Length < HeadBytes || body[7] != Unicast
            || (BinaryPrimitives.ReadUInt32LittleEndian(body[8..]) & (Cloned | Dead)) != 0)
        {
            return;
        }

        int table = body[4];
        (var link, uint metric, string? gateway) = (0, 0, null);
        ReadOnlySpan<byte> destination = default;
        ReadOnlySpan<byte> source = default;
        ReadOnlySpan<byte> hops = default;
        var rest = body[HeadBytes..];
        while (RouteSocket.NextAttribute(ref rest, out var kind, out var value))
        {
            switch (kind)
            {
                case Destination:
                    destination = value;
                    break;
                case SourceOf:
                    source = value;
                    break;
                case Multipath:
                    hops = value;
                    break;
                case OutBy when value.Length >= 4:
                    link = BinaryPrimitives.ReadInt32LittleEndian(value);
                    break;
                case Priority when value.Length >= 4:
                    metric = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
                case Table when value.Length >= 4:
                    table = BinaryPrimitives.ReadInt32LittleEndian(value);
                    break;
                default:
                    gateway = Gateway(body[0], kind, value) ?? gateway;
                    break;
            }
        }

        if (table != MainTable || AddressText.OrZero(body[0], destination) is not { } network)
        {
            return;
        }

        var route = new NetworkRoute(link, body[0] == AddressText.Six, network, body[1], gateway ?? "", metric)
        {
            Source = (AddressText.OrZero(body[0], source) ?? "", body[2]),
        };
        if (link != 0)
        {
            Add(route);
        }

        AddHops(route, body[0], hops);
    }

    // struct rtnexthop: length, flags, hops, interface; attributes behind.
    private void AddHops(NetworkRoute route, byte family, ReadOnlySpan<byte> hops)
    {
        while (hops.Length >= 8 && BinaryPrimitives.ReadUInt16LittleEndian(hops) is >= 8 and var size && size <= hops.Length)
        {
            var gateway = "";
            var rest = hops[8..size];
            while (RouteSocket.NextAttribute(ref rest, out var kind, out var value))
            {
                gateway = Gateway(family, kind, value) ?? gateway;
            }

            if ((hops[2] & Dead) == 0)
            {
                Add(route with { Link = BinaryPrimitives.ReadInt32LittleEndian(hops[4..]), Gateway = gateway });
            }

            hops = hops[Math.Min((size + 3) & ~3, hops.Length)..];
        }
    }

    // That of the other family stands in its own attribute, with the family before it.
    private static string? Gateway(byte family, int kind, ReadOnlySpan<byte> value) => kind switch
    {
        GatewayOf => AddressText.Of(family, value),
        Via when value.Length > 2 => AddressText.Of(value[0], value[2..]),
        _ => null,
    };

    private void Add(NetworkRoute route)
    {
        if (links.Links.TryGetValue(route.Link, out var link))
        {
            var rank = _ranks[route.Prefix == 0 ? 0 : link.IsHardware ? 1 : 2];
            if (rank.Count < MaxOfRank)
            {
                rank.Add(route);
            }
        }
    }
}
