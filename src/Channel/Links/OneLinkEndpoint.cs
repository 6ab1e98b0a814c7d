using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Links;

/// <summary>An endpoint that gives one link, which is there already, and no other.</summary>
/// <param name="uri">Where the link came from.</param>
/// <param name="link">The link; disposed of with this if it was not opened.</param>
internal sealed class OneLinkEndpoint(string uri, ITransportLink link) : ITransportEndpoint
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITransportLink? _link = link;

    public string Uri => uri;

    /// <summary>Ends when the link has gone, or will not be opened.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Says that the link is not wanted any more.</summary>
    public void End() => _ended.TrySetResult();

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _link, null) is { } link)
        {
            return link;
        }

        // A caller that asks for the next link has seen the end of this one.
        End();
        await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(false);
        throw new OperationCanceledException(cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        End();
        return Interlocked.Exchange(ref _link, null)?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}
