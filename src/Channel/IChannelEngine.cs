using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Rpc;

namespace ChannelSdk.Channels;

/// <summary>
/// What carries a channel's calls to the peer and back: a session in this process, or one in a worker of its own. What says so is called
/// under the channel's lock.
/// </summary>
internal interface IChannelEngine : IAsyncDisposable
{
    /// <summary>Under the lock: the calls.</summary>
    ICallPeer Calls { get; }

    /// <summary>Under the lock: what is known of the session.</summary>
    SessionFacts Facts { get; }

    /// <summary>Begins to look for the peer.</summary>
    void Start();

    /// <summary>Outside of the lock: sends what was made under it.</summary>
    void Flush();

    /// <summary>Under the lock: a call may have a deadline before all others.</summary>
    void Rearm();

    /// <summary>Under the lock: what this side's heartbeats say from now on.</summary>
    void SetState(StateWord state, DateTimeOffset? until, ushort detail);

    /// <summary>Under the lock: ends the present link, for a reason.</summary>
    void Cut(ChannelException reason);

    /// <summary>Under the lock: ends the session for good.</summary>
    void Close();
}
