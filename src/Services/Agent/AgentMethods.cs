using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Agent;

/// <summary>What the agent tells inside of its guest (agent.proto).</summary>
public static class AgentMethods
{
    /// <summary>agent.Status: only on the agent's control socket inside the guest, never on the channel to the host.</summary>
    public static RpcMethod<AgentStatusRequest, AgentStatus> Status { get; } = new("agent.Status", StreamClass.Control);
}
