using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.Runtime;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The bounds and times of the agent's channels.</summary>
internal static class GuestOptions
{
    /// <summary>For the control socket: one short call at a time.</summary>
    public static ChannelOptions Local => ChannelOptions.ForGuest;

    /// <summary>For the channel to the host.</summary>
    public static ChannelOptions For(AgentConfig config) => 
        ChannelOptions.ForGuest with { HeartbeatInterval = config.HeartbeatInterval };
}
