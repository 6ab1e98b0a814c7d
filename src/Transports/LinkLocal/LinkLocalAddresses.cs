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

    /// <summary>Bits of the link's IPv4 prefix.</summary>
    public const int PrefixLength = 24;

    /// <summary>TCP port of the channel.</summary>
    public const int ChannelPort = 9254;

    /// <summary>TCP port of HTTP metadata.</summary>
    public const int HttpPort = 80;
}
