using System.Net;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>The addresses and ports of the link between a guest and its host (RFC 3927 range; the host's address is the one that metadata clients ask).</summary>
public static class LinkLocalAddresses
{
    /// <summary>The host on every instance's link.</summary>
    public static IPAddress Host { get; } = IPAddress.Parse("169.254.169.254");

    /// <summary>The guest on every instance's link.</summary>
    public static IPAddress Guest { get; } = IPAddress.Parse("169.254.169.1");

    /// <summary>The host by IPv6 (the address that OpenStack's metadata service uses).</summary>
    public static IPAddress HostV6 { get; } = IPAddress.Parse("fe80::a9fe:a9fe");

    /// <summary>
    /// The host's MAC address on every tap, locally administered. It is the same everywhere, so that a guest that was saved with it
    /// in its neighbour table, and goes on beside another tap or another host, finds the host at once and not after a minute.
    /// </summary>
    internal static ReadOnlySpan<byte> HostMac => [0x02, 0x00, 0xa9, 0xfe, 0xa9, 0xfe];

    /// <summary>Bits of the link's IPv4 prefix.</summary>
    public const int PrefixLength = 24;

    /// <summary>TCP port of the channel.</summary>
    public const int ChannelPort = 9254;

    /// <summary>TCP port of HTTP metadata.</summary>
    public const int HttpPort = 80;
}
