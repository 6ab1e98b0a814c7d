using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// What a session tells the owner of its streams, synchronously from within the session's methods. The owner may call Open, Write,
/// Consume and Reset from here, and must not call Receive, Tick, GetOutput or the link methods.
/// </summary>
public interface ISessionHandler
{
    /// <summary>The peer opened a stream.</summary>
    void OnOpened(SessionStream stream, ReadOnlySpan<byte> untrustedHeader, bool fin);

    /// <summary>
    /// A piece of a message. The span is valid during the call; its credit is given back by
    /// <see cref="Session.Consume"/> with the same length.
    /// </summary>
    void OnData(SessionStream stream, ReadOnlySpan<byte> untrustedData, DataFlags flags);

    /// <summary>The stream is dead: reset by the peer, or lost with its session. Unconsumed data are dropped.</summary>
    void OnReset(SessionStream stream, ChannelError code);

    /// <summary>The pending write was taken whole; its memory is free.</summary>
    void OnWriteDone(SessionStream stream);

    /// <summary>Both directions ended and all was consumed. The object may be used again for another stream after this call.</summary>
    void OnClosed(SessionStream stream);
}
