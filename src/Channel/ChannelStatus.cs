using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>Where a channel's link is.</summary>
public enum LinkState
{
    /// <summary>Not started, or disposed.</summary>
    Closed,
    /// <summary>Waiting for the transport: the endpoint is being opened, or failed and is tried again.</summary>
    Opening,
    /// <summary>Bytes may flow; the peer has not answered yet.</summary>
    Handshake,
    /// <summary>Established.</summary>
    Up,
}

/// <summary>A channel at one moment.</summary>
public sealed record ChannelStatus
{
    /// <summary>Where the link is.</summary>
    public required LinkState LinkState { get; init; }
    /// <summary>The session's number, the same on both sides; null before the first handshake.</summary>
    public UInt128? SessionId { get; init; }
    /// <summary>How often the session was resumed on a new link.</summary>
    public int Resumes { get; init; }
    /// <summary>The peer's last heartbeat.</summary>
    public Heartbeat? PeerHeartbeat { get; init; }
    /// <summary>How old that is.</summary>
    public TimeSpan? HeartbeatAge { get; init; }
    /// <summary>The last error of endpoint, link or session.</summary>
    public ChannelException? LastError { get; init; }
    /// <summary>The peer's identity, by construction of the transport.</summary>
    public PeerIdentity? Peer { get; init; }
    /// <summary>Bytes received on all links.</summary>
    public long BytesIn { get; init; }
    /// <summary>Bytes sent on all links.</summary>
    public long BytesOut { get; init; }
    /// <summary>How much longer the link is not read, as the peer sent more than its rate limit allows; null while it is read.</summary>
    public TimeSpan? ReceivePause { get; init; }
    /// <summary>How often the link was not read for a time, as the peer sent more than its rate limits allow.</summary>
    public long ReceivePauses { get; init; }
    /// <summary>Events that watchers lost, as they did not read them.</summary>
    public long EventsDropped { get; init; }
    /// <summary>Negotiated protocol version, 0 while no link is up.</summary>
    public int Version { get; init; }
    /// <summary>Names of the capabilities that both sides have.</summary>
    public required IReadOnlyList<string> Capabilities { get; init; }
}

/// <summary>What a channel tells its watchers.</summary>
public enum ChannelEventKind
{
    /// <summary>A link is established.</summary>
    LinkUp,
    /// <summary>The link has gone; the session waits.</summary>
    LinkLost,
    /// <summary>A new session began.</summary>
    SessionStarted,
    /// <summary>The session goes on, on a new link.</summary>
    SessionResumed,
    /// <summary>The session has gone; its calls have failed.</summary>
    SessionLost,
    /// <summary>The peer's state changed, or its first heartbeat came.</summary>
    PeerState,
    /// <summary>The endpoint cannot be opened; it is tried again. Repeated only when the reason changes.</summary>
    EndpointFailed,
    /// <summary>The watcher was too slow: events before this one were dropped.</summary>
    Dropped,
    /// <summary>
    /// A callback, a handler's cancellation, an audit sink or the transport threw what it must not; the channel goes on. At most one a
    /// second; the next one counts those in between.
    /// </summary>
    Fault,
}

/// <summary>One event.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="At">When, by the wall clock.</param>
/// <param name="Heartbeat">For PeerState.</param>
/// <param name="Error">For losses and failures.</param>
/// <param name="Text">For a person; safe to print.</param>
public sealed record ChannelEvent(ChannelEventKind Kind, DateTimeOffset At, Heartbeat? Heartbeat, ChannelError Error, string Text);
