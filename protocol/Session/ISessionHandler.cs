namespace ChannelSdk.Protocol;

/// <summary>
/// What a session tells its owner, synchronously from within the session's methods. The owner may call Open, Write,
/// Consume and Reset from here, and must not call Receive, Tick, GetOutput or the link methods.
/// </summary>
internal interface ISessionHandler
{
    /// <summary>A link is up: with a new session, or with the same one again.</summary>
    void OnEstablished(bool resumed);

    /// <summary>The link has gone; the session waits to be resumed.</summary>
    void OnLinkLost(ChannelError error, string text);

    /// <summary>The session has gone, after <see cref="OnReset"/> for each of its streams. The next handshake begins a new one.</summary>
    void OnSessionLost(ChannelError error, string text);

    /// <summary>The peer's heartbeat.</summary>
    void OnPeerHeartbeat(in Heartbeat heartbeat);

    /// <summary>The peer opened a stream.</summary>
    void OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin);

    /// <summary>
    /// A piece of a message. The span is valid during the call; its credit is given back by
    /// <see cref="Session.Consume"/> with the same length.
    /// </summary>
    void OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags);

    /// <summary>The stream is dead: reset by the peer, or lost with its session. What was not consumed is dropped.</summary>
    void OnReset(SessionStream stream, ChannelError code);

    /// <summary>The pending write was taken whole; its memory is free.</summary>
    void OnWriteDone(SessionStream stream);

    /// <summary>Both directions ended and all was consumed. The object may be used again for another stream after this call.</summary>
    void OnClosed(SessionStream stream);
}
