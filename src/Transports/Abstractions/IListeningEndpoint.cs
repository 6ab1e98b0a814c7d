namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// An endpoint whose links come unasked: one may come while another is up, and not each of them is the peer's. It gives each as it
/// came and ends none for another; the caller decides which one counts.
/// </summary>
public interface IListeningEndpoint : ITransportEndpoint
{
    /// <summary>
    /// Whether a peer begins each link with a handshake of its own accord, so that a link without one need not be waited for. Not so
    /// where the guest does not see that its host is another one, as on a virtio-serial port.
    /// </summary>
    bool HasCandidates { get; }
}
