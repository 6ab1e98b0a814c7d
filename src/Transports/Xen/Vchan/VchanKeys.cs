using System.Globalization;

namespace ChannelSdk.Transports.Xen.Vchan;

/// <summary>What a server tells its client by xenstore.</summary>
/// <param name="RingReference">The grant reference of the shared page (key ring-ref).</param>
/// <param name="EventPort">The server's event channel port (key event-channel).</param>
internal sealed record VchanKeys(uint RingReference, uint EventPort)
{
    internal const string RingKey = "ring-ref";
    internal const string EventKey = "event-channel";

    /// <summary>Reads the two values: decimal numbers, and nothing besides. Null if one is no number.</summary>
    internal static VchanKeys? Parse(string untrustedRing, string untrustedEvent) =>
        TryParse(untrustedRing, out var ring) && TryParse(untrustedEvent, out var port) && port != 0 ? new VchanKeys(ring, port) : null;

    /// <summary>Whether the value of <see cref="RingKey"/> is that of these keys.</summary>
    internal static bool IsRing(string? untrusted, VchanKeys keys) => untrusted is not null && TryParse(untrusted, out var ring) && ring == keys.RingReference;

    private static bool TryParse(string untrusted, out uint number) =>
        uint.TryParse(untrusted, NumberStyles.None, CultureInfo.InvariantCulture, out number) && untrusted.Length <= 10;
}
