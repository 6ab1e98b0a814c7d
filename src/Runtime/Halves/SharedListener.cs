using ChannelSdk.Transports;

namespace ChannelSdk.Runtime.Halves;

/// <summary>Lets several channels take the links of one listening endpoint in turn, so that each client has a channel of its own.</summary>
internal sealed class SharedListener : IAsyncDisposable
{
    private readonly ITransportEndpoint _endpoint;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _stopping = new();
    private Task<ITransportLink>? _first;

    /// <summary>Listens.</summary>
    /// <exception cref="Protocol.ChannelException">It cannot.</exception>
    public SharedListener(ITransportEndpoint endpoint)
    {
        _endpoint = endpoint;
        // A listening endpoint makes its socket at once, in the first call, so that nobody finds it missing later.
        _first = endpoint.OpenAsync(_stopping.Token).AsTask();
        if (_first.IsFaulted)
        {
            _first.GetAwaiter().GetResult();
        }
    }

    /// <summary>An endpoint for one channel; disposing of it leaves the listener as it is.</summary>
    public ITransportEndpoint Share() => new Part(this);

    /// <summary>After all channels were disposed of.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        if (_first is { } first)
        {
            await ((Task)first).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (first.IsCompletedSuccessfully)
            {
                await (await first.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
        }

        await _endpoint.DisposeAsync().ConfigureAwait(false);
        _turn.Dispose();
        _stopping.Dispose();
    }

    private async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_first is { } first)
            {
                await ((Task)first.WaitAsync(cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                cancellationToken.ThrowIfCancellationRequested();
                _first = null;
                return await first.ConfigureAwait(false);
            }

            return await _endpoint.OpenAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private sealed class Part(SharedListener owner) : ITransportEndpoint
    {
        public string Uri => owner._endpoint.Uri;

        public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => owner.OpenAsync(cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
