using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Reactor;

/// <summary>Links over descriptors that come from elsewhere.</summary>
public static class DescriptorLinks
{
    /// <summary>Starts the thread that serves the descriptors of this process, which the first link would do otherwise.</summary>
    /// <param name="takingTurns">Processes that wait for each other's answers, as a host, a worker and a guest do: with fewer processors than that the thread never polls for one.</param>
    public static void Prepare(int takingTurns) => IoReactor.Start(takingTurns);

    /// <summary>Makes a link of a connected stream socket; disposes of it when that fails.</summary>
    /// <param name="socket">The socket, which is the link's from now on.</param>
    /// <param name="peer">The peer's identity.</param>
    /// <param name="endsBothWays">Whether a peer that sends no more is gone.</param>
    /// <exception cref="Protocol.Errors.ChannelException">It cannot be waited for (<see cref="Protocol.Errors.ChannelError.TransportFailed"/>).</exception>
    public static ITransportLink Attach(SafeFd socket, PeerIdentity peer, bool endsBothWays = false)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return SocketLink.Attach(socket, peer, endsBothWays);
    }
}
