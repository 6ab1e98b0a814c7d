using System.Net;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>Whether and where the metadata relay listens.</summary>
/// <param name="IsAuto">At the usual place, unless the channel's endpoint says that the guest has a NIC for it.</param>
/// <param name="Place">The place, or null for none.</param>
internal sealed record RelaySetting(bool IsAuto, IPEndPoint? Place)
{
    public static RelaySetting Auto { get; } = new(true, new IPEndPoint(LinkLocalAddresses.Host, LinkLocalAddresses.HttpPort));

    public static RelaySetting Off { get; } = new(false, null);

    /// <summary>Reads "auto", "off" or an IPv4 ADDRESS:PORT; null if it is none of them.</summary>
    public static RelaySetting? Parse(string value) => value switch
    {
        "auto" => Auto,
        "off" => Off,
        _ => IPEndPoint.TryParse(value, out IPEndPoint? place) && place.Port != 0 && place.Address.GetAddressBytes().Length == 4
            ? new RelaySetting(false, place) : null,
    };

    /// <summary>Where to listen with this endpoint; null for nowhere.</summary>
    public IPEndPoint? PlaceFor(string endpoint) =>
        IsAuto && !endpoint.StartsWith("virtio-port:", StringComparison.OrdinalIgnoreCase) && !endpoint.StartsWith("vsock:", StringComparison.OrdinalIgnoreCase)
            ? null : Place;
}
