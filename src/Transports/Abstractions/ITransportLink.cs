using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// One byte stream to the peer, ordered within itself, that may end at any byte without notice. One receive and one
/// send may be outstanding at a time, from different threads. A continuation may run on the transport's own I/O thread.
/// </summary>
public interface ITransportLink : IAsyncDisposable
{
    /// <summary>Who the peer is by construction of the transport; never something that the peer said.</summary>
    PeerIdentity Peer { get; }

    /// <summary>Receives at least one byte, or 0 when the other side has gone. Never throws for an ordinary end.</summary>
    /// <exception cref="ChannelException">The transport failed (<see cref="ChannelError.TransportFailed"/>) or the link was aborted (<see cref="ChannelError.LinkLost"/>).</exception>
    ValueTask<int> ReceiveAsync(Memory<byte> buffer);

    /// <summary>
    /// Sends a part of the buffer, at least one byte, and returns how many; waits while the transport is full.
    /// The buffer must stay untouched until the returned task ends.
    /// </summary>
    /// <exception cref="ChannelException">The other side has gone (<see cref="ChannelError.LinkLost"/>) or the transport failed (<see cref="ChannelError.TransportFailed"/>).</exception>
    ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer);

    /// <summary>Ends the link at once: outstanding and later calls fail with <see cref="ChannelError.LinkLost"/>. Idempotent, callable from any thread.</summary>
    void Abort();
}
