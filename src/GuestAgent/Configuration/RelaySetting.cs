using System.Net;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>Whether and where the metadata relay listens.</summary>
/// <param name="IsAuto">At the usual place, in a guest without a NIC.</param>
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
        _ => IPEndPoint.TryParse(value, out var place) && place.Port != 0 && place.Address.GetAddressBytes().Length == 4
            ? new RelaySetting(false, place) : null,
    };

    /// <summary>Where to listen with this endpoint; null for nowhere.</summary>
    /// <param name="endpoint">The URI of the way to the host.</param>
    /// <param name="hasNetwork">
    /// Whether the guest has a NIC. Behind one somebody else may serve the address, whom the relay must not hide.
    /// </param>
    public IPEndPoint? PlaceFor(string endpoint, bool hasNetwork)
    {
        var isWayWithoutNetwork = endpoint.StartsWith("virtio-port:", StringComparison.OrdinalIgnoreCase)
            || endpoint.StartsWith("vsock:", StringComparison.OrdinalIgnoreCase)
            || endpoint.StartsWith("vchan", StringComparison.OrdinalIgnoreCase);
        return IsAuto && (hasNetwork || !isWayWithoutNetwork) ? null : Place;
    }
}
