using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>
/// One named place where links to one peer come from: a socket to dial, a socket to accept on, a device to open.
/// It yields links one after the other and knows nothing of frames.
/// </summary>
public interface ITransportEndpoint : IAsyncDisposable
{
    /// <summary>The endpoint's URI, as in configuration and logs.</summary>
    string Uri { get; }

    /// <summary>
    /// Waits for the next link: dials, accepts, or opens the device and waits until the other side is there.
    /// At most one call at a time; the link before must have been disposed of.
    /// </summary>
    /// <exception cref="ChannelException">
    /// The endpoint is missing, denied, busy or failed (<see cref="ChannelError.EndpointMissing"/> to <see cref="ChannelError.TransportFailed"/>). Class Retry where waiting can help.
    /// </exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> fired.</exception>
    ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken);
}
