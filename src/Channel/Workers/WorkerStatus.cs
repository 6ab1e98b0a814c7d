using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Seam;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Channels.Workers;

/// <summary>What a worker tells of its session, for the channel's status and events. Under the channel's lock.</summary>
internal sealed class WorkerStatus(ChannelCore core, IWorkerSource source) : ISeamEvents
{
    private ISessionEvents Status => core.Status;

    public SessionFacts Facts { get; private set; }

    public void OnOpening() => core.Status.OnOpening();

    public void OnLink()
    {
        core.Events.ClearEndpointFailure();
        core.Status.OnLink(source.Peer);
    }

    public void OnSession(UInt128 sessionId, int version, ulong capabilities) =>
        Facts = Facts with { SessionId = sessionId, Version = version, Capabilities = capabilities };

    public void OnEstablished(bool resumed) => Status.OnEstablished(resumed);

    public void OnLinkLost(ChannelError code, string text) => Status.OnLinkLost(code, text);

    public void OnSessionLost(ChannelError code, string text)
    {
        Facts = Facts with { SessionId = 0, Version = 0, Capabilities = 0 };
        Status.OnSessionLost(code, text);
    }

    public void OnPeerHeartbeat(in Heartbeat heartbeat) => Status.OnPeerHeartbeat(heartbeat);

    public void OnEndpointFailed(ChannelError code, string text)
    {
        core.Status.LastError = new ChannelException(code, ErrorClass.Retry, text);
        core.Events.Publish(ChannelEventKind.EndpointFailed, code, text);
    }

    public void OnFault(string text) => core.Events.Publish(ChannelEventKind.Fault, ChannelError.Internal, text);
}
