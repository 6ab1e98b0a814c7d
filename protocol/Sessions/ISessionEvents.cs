using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>What a session tells of itself and of its links, synchronously from within its methods.</summary>
public interface ISessionEvents
{
    /// <summary>A link is up: with a new session, or with the same one again.</summary>
    void OnEstablished(bool resumed);

    /// <summary>The link has gone; the session waits to be resumed.</summary>
    void OnLinkLost(ChannelError code, string text);

    /// <summary>The session has gone, after <see cref="ISessionHandler.OnReset"/> for each of its streams. The next handshake begins a new one.</summary>
    void OnSessionLost(ChannelError code, string text);

    /// <summary>The peer's heartbeat.</summary>
    void OnPeerHeartbeat(in Heartbeat heartbeat);
}
