using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>
/// This side's policy on calls, in both directions. Called at each, on the caller's thread or the receive path: return at
/// once. A call happens only if both sides allow it; the peer has its own policy.
/// </summary>
public interface ICallGuard
{
    /// <summary>This side is about to call the peer.</summary>
    /// <param name="method">Name of the method.</param>
    /// <param name="isPrivileged">Whether it changes the peer.</param>
    /// <exception cref="ChannelException">It must not; nothing is sent.</exception>
    void OnCalling(string method, bool isPrivileged);

    /// <summary>The peer has called this side.</summary>
    /// <param name="untrustedMethod">Name of the method, as the peer sent it.</param>
    /// <param name="isServed">Whether this side has the method; if not, the call is refused in any case.</param>
    /// <exception cref="ChannelException">It must not; this is the call's status.</exception>
    void OnCalled(string untrustedMethod, bool isServed);
}
