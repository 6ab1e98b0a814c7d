using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Platform.Network;

/// <summary>An address of an interface, as text, with the length of its network's prefix.</summary>
internal readonly record struct NetworkAddress(bool IsSix, string Text, int Prefix);

/// <summary>What an interface has counted since it is there. Dropped are also those that its device had no room for, as in /proc/net/dev.</summary>
internal readonly record struct NetworkCounters(
    ulong ReceivedBytes, ulong ReceivedPackets, ulong ReceivedErrors, ulong ReceivedDropped,
    ulong SentBytes, ulong SentPackets, ulong SentErrors, ulong SentDropped);

/// <summary>A network interface.</summary>
/// <param name="Index">The kernel's number of it.</param>
/// <param name="Name">For instance "eth0".</param>
/// <param name="Hardware">For instance "52:54:00:12:34:56"; empty for one without.</param>
/// <param name="Mtu">In bytes.</param>
/// <param name="State">The kernel's word, as in /sys/class/net/NAME/operstate.</param>
/// <param name="IsHardware">A device, and not made by the guest itself.</param>
/// <param name="Counters">What it has counted.</param>
internal sealed record NetworkLink(int Index, string Name, string Hardware, uint Mtu, string State, bool IsHardware, NetworkCounters Counters)
{
    /// <summary>Its addresses, in the kernel's order.</summary>
    public List<NetworkAddress> Addresses { get; } = [];
}

/// <summary>A route of the main table.</summary>
/// <param name="Link">The number of the interface that it leads to.</param>
/// <param name="IsSix">IPv6.</param>
/// <param name="Destination">The network, as text.</param>
/// <param name="Prefix">How many bits of that count; 0 is the default route.</param>
/// <param name="Gateway">The next router; empty for a network that is directly connected.</param>
/// <param name="Metric">The lower one wins.</param>
internal sealed record NetworkRoute(int Link, bool IsSix, string Destination, int Prefix, string Gateway, uint Metric)
{
    /// <summary>Of IPv6: what it holds for.</summary>
    public (string Address, int Prefix) Source { get; init; } = ("::", 0);
}
