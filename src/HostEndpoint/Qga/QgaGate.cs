using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Qga;

/// <summary>An endpoint that gives links only while it is open.</summary>
/// <param name="inner">Where they come from; disposed of with it.</param>
internal sealed class QgaGate(ITransportEndpoint inner) : ITransportEndpoint
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public string Uri => inner.Uri;

    /// <summary>Whether it is open.</summary>
    public bool IsOpen => _opened.Task.IsCompleted;

    /// <summary>Lets links through from now on.</summary>
    public void Open()
    {
        lock (_lock)
        {
            _opened.TrySetResult();
        }
    }

    /// <summary>Lets none through any more.</summary>
    public void Close()
    {
        lock (_lock)
        {
            if (_opened.Task.IsCompleted)
            {
                _opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        Task opened;
        lock (_lock)
        {
            opened = _opened.Task;
        }

        await opened.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await inner.OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
