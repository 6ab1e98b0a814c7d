using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Hypervisors.Xen;

/// <summary>An endpoint whose address changes: each open uses the present address, and a waiting open follows it.</summary>
/// <param name="uri">What it is called.</param>
/// <param name="place">The URI of the place now, and what fires when it is another.</param>
internal sealed class MovingEndpoint(string uri, Func<(string Uri, CancellationToken Moved)> place) : ITransportEndpoint
{
    private ITransportEndpoint? _current;

    /// <inheritdoc/>
    public string Uri => uri;

    /// <inheritdoc/>
    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
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
                return await _current.OpenAsync(either.Token).ConfigureAwait(false);
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
