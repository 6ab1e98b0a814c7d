using ChannelSdk.Host.Limits;

namespace ChannelSdk.Host.Telemetry;

/// <summary>The metrics of an instance at one moment.</summary>
/// <param name="Name">The instance.</param>
/// <param name="Reachability">One of <see cref="Ways"/>.</param>
/// <param name="BytesIn">Bytes received on all links of all its channels.</param>
/// <param name="BytesOut">Bytes sent on them.</param>
/// <param name="Limits">How often it met its limits.</param>
/// <param name="EventsDropped">Events that watchers lost.</param>
internal readonly record struct InstanceFigures(string Name, string Reachability, long BytesIn, long BytesOut, LimitCounts Limits, long EventsDropped)
{
    /// <summary>Its agent is connected.</summary>
    public const string Up = "up";

    /// <summary>Its agent was connected; the link has gone.</summary>
    public const string LinkLost = "link_lost";

    /// <summary>Its agent was never heard.</summary>
    public const string NeverConnected = "never_connected";

    /// <summary>The ways in which an instance can be reached or not.</summary>
    public static IReadOnlyList<string> Ways { get; } = [Up, LinkLost, NeverConnected];
}
