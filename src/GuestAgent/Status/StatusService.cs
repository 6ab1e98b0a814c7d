using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.GuestAgent.Status;

/// <summary>agent.Status, for the control socket inside the guest.</summary>
/// <param name="facts">Where the agent's own figures come from.</param>
/// <param name="config">The configuration that holds.</param>
/// <param name="state">Our own state word.</param>
/// <param name="channel">The status of the channel to the host.</param>
/// <param name="methods">The methods that the policy allows.</param>
/// <param name="generation">The present generation; empty before the first.</param>
internal sealed class StatusService(
    GuestFacts facts, Func<AgentConfig> config, Func<StateWord> state, Func<ChannelStatus> channel, Func<IEnumerable<string>> methods, Func<byte[]> generation)
{
    /// <summary>The status at this moment.</summary>
    public AgentStatus Get()
    {
        var link = channel();
        var status = new AgentStatus
        {
            Version = facts.Version,
            Pid = (uint)Environment.ProcessId,
            UptimeMs = facts.AgentUptimeMilliseconds,
            RssBytes = GuestFacts.AgentResidentBytes,
            State = StateNames.Of(state()),
            Endpoint = config().Endpoint,
            Link = StateNames.Of(link.LinkState),
            Session = link.SessionId is { } id ? id.ToString("x32", null) : "",
            Resumes = (uint)link.Resumes,
            Peer = link.Peer?.ToString() ?? "",
            PeerState = link.PeerHeartbeat is { } beat ? StateNames.Of(beat.State) : "",
            BytesIn = (ulong)link.BytesIn,
            BytesOut = (ulong)link.BytesOut,
            ProtocolVersion = (uint)link.Version,
            LastErrorCode = (uint)(link.LastError?.Code ?? ChannelError.None),
            LastError = link.LastError?.Message ?? "",
            ConfigFile = config().SourceFile,
            Generation = Convert.ToHexStringLower(generation()),
        };
        if (link.HeartbeatAge is { } age)
        {
            status.HeartbeatAgeMs = (ulong)Math.Max(0, age.TotalMilliseconds);
        }

        status.Methods.AddRange(methods());
        return status;
    }
}
