using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.Protocol.Seam;

/// <summary>What a worker tells of its session, its links and its endpoint, besides <see cref="ISessionEvents"/>.</summary>
public interface ISeamEvents : ISessionEvents
{
    /// <summary>The endpoint is asked for the next link.</summary>
    void OnOpening();

    /// <summary>A link is there; its handshake begins.</summary>
    void OnLink();

    /// <summary>A session's facts, before <see cref="ISessionEvents.OnEstablished"/>.</summary>
    void OnSession(UInt128 sessionId, int version, ulong capabilities);

    /// <summary>The endpoint cannot be opened; it is tried again.</summary>
    void OnEndpointFailed(ChannelError code, string text);

    /// <summary>Something threw in the worker that must not; it goes on.</summary>
    void OnFault(string text);
}
