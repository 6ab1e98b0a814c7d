using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>What a handler knows of the call that it serves.</summary>
public abstract class CallContext
{
    private protected CallContext()
    {
    }

    /// <summary>Fires when the caller cancels, the deadline passes or the session is lost.</summary>
    public abstract CancellationToken CancellationToken { get; }

    /// <summary>Time left before the caller's deadline, or null if it gave none.</summary>
    public abstract TimeSpan? TimeLeft { get; }

    /// <summary>The caller's identity, by construction of the transport.</summary>
    public abstract PeerIdentity Peer { get; }

    /// <summary>The method's name.</summary>
    public abstract string Method { get; }
}
