using ChannelSdk.Channels;
using ChannelSdk.Host.Limits;
using ChannelSdk.Host.Workers;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Host;

/// <summary>How an instance can be reached.</summary>
public enum Reachability
{
    /// <summary>Its agent was never heard.</summary>
    NeverConnected,
    /// <summary>Its agent is connected.</summary>
    Up,
    /// <summary>Its agent was connected; the link has gone, the session waits.</summary>
    LinkLost,
}

/// <summary>An instance at one moment.</summary>
/// <param name="Reachability">How it can be reached.</param>
/// <param name="State">The last state that its agent reported.</param>
/// <param name="Channel">The channel's details.</param>
public sealed record InstanceStatus(Reachability Reachability, StateWord State, ChannelStatus Channel)
{
    /// <summary>Its worker; null while there is none, and with <see cref="HostIsolation.InProcess"/>.</summary>
    public WorkerStatus? Worker { get; init; }

    /// <summary>How often it met its limits.</summary>
    public LimitCounts Limits { get; init; } = new(0, 0, 0, 0, 0);
}
