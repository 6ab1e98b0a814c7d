using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>A link that is one descriptor, so that another process can have it in the place of this one.</summary>
public interface IDescriptorLink
{
    /// <summary>Whether a peer that sends no more is gone.</summary>
    bool EndsBothWays { get; }

    /// <summary>Gives the descriptor away. The link is over here, and the peer does not notice. Nothing may be under way on it.</summary>
    /// <returns>The descriptor, which is the caller's from now on.</returns>
    /// <exception cref="ObjectDisposedException">The link has ended.</exception>
    SafeFd Detach();
}
