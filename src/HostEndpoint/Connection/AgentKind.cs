namespace ChannelSdk.Host.Connection;

/// <summary>Which agent an instance is reached by.</summary>
public enum AgentKind
{
    /// <summary>Our own.</summary>
    ChannelAgent,
    /// <summary>The QEMU guest agent, which has fewer calls and keeps no freeze lease of its own.</summary>
    QemuGuestAgent,
}
