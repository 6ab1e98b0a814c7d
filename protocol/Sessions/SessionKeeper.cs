using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// Keeps a session's state in memory that outlives its process, so that another one can go on with it. It is told of each stream that was
/// changed; the session's own numbers it looks at each time.
/// </summary>
public abstract class SessionKeeper
{
    private protected SessionKeeper()
    {
    }

    /// <summary>Memory that outlives the process: for frames, and for messages that are not whole or not sent.</summary>
    internal abstract BufferPool Buffers { get; }

    /// <summary>A stream is new, or something of it or of its call changes.</summary>
    internal abstract void OnChanged(SessionStream stream);

    /// <summary>A stream is over.</summary>
    internal abstract void OnEnded(SessionStream stream);
}
