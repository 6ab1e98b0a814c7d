using System.Reflection;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The versions that the agent reports.</summary>
internal static class AgentVersion
{
    /// <summary>The product version.</summary>
    public static string Text { get; } = typeof(AgentVersion).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>The highest protocol version that the agent speaks.</summary>
    public const uint Protocol = 1;
}
