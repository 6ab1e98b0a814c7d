using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>An endpoint whose address changes: each open uses the present address, and a waiting open follows it.</summary>
/// <param name="uri">What it is called.</param>
/// <param name="place">The URI of the place now, and what fires when it is another.</param>
internal sealed class MovingEndpoint(string uri, Func<(string Uri, CancellationToken Moved)> place) : IMappedEndpoint
{
    private ITransportEndpoint? _current;

    /// <inheritdoc/>
    public string Uri => uri;

    /// <inheritdoc/>
    public PeerIdentity Peer => (_current as IMappedEndpoint)?.Peer ?? new PeerIdentity("vchan", uri);

    /// <inheritdoc/>
    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => FollowAsync(static (current, moved) => current.OpenAsync(moved), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<LinkParts> OpenPartsAsync(CancellationToken cancellationToken) => FollowAsync(static (current, moved) => current is IMappedEndpoint mapped ? mapped.OpenPartsAsync(moved)
        : throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"a link of {current.Uri} cannot be given to another process"), cancellationToken);

    private async ValueTask<T> FollowAsync<T>(Func<ITransportEndpoint, CancellationToken, ValueTask<T>> open, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (now, moved) = place();
            if (_current?.Uri != now)
            {
                await DisposeAsync().ConfigureAwait(false);
                _current = TransportEndpoints.Create(now);
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, moved);
            try
            {
                return await open(_current, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (moved.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                // It is somewhere else now.
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_current is { } current)
        {
            _current = null;
            await current.DisposeAsync().ConfigureAwait(false);
        }
    }
}
