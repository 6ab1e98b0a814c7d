using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// An endpoint whose peers bring memory and descriptors of their own. Another process can serve them, so that this one never has any of these:
/// it gets the listening socket, and accepts itself.
/// </summary>
public interface IDelegatedEndpoint : IListeningEndpoint
{
    /// <summary>The peer, by construction of the endpoint.</summary>
    PeerIdentity Peer { get; }

    /// <summary>Bytes of a peer's memory that the process maps at most.</summary>
    long SharedMemory { get; }

    /// <summary>Where each process that serves the endpoint, one after the other, leaves what its peer gave to it for the next one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.ResourceExhausted"/>: no descriptors are left.</exception>
    DescriptorStore Store { get; }

    /// <summary>Makes the listening socket if there is none.</summary>
    /// <returns>The socket, which stays the endpoint's, as its file does.</returns>
    /// <exception cref="ChannelException">
    /// It cannot be made, or this process serves it (<see cref="ChannelError.EndpointBusy"/>), or another process cannot do all that it was set up for (<see cref="ChannelError.Unsupported"/>).
    /// </exception>
    DelegatedSocket Listen();
}

/// <summary>A listening socket for another process.</summary>
/// <param name="Socket">The socket.</param>
/// <param name="Description">What that process must know of the endpoint, in the transport's own form.</param>
public readonly record struct DelegatedSocket(SafeFd Socket, ReadOnlyMemory<byte> Description);
