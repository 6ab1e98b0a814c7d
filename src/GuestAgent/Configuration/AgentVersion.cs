namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The versions that the agent reports.</summary>
internal static partial class AgentVersion
{
    /// <summary>The highest protocol version that the agent speaks.</summary>
    public const uint Protocol = 1;
}
