using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Runtime.Tests;

/// <summary>A listening endpoint whose first link is silent and throws what no transport should, at its end too.</summary>
internal sealed class ThrowingListener(IListeningEndpoint inner) : IListeningEndpoint
{
    private readonly ThrowingLink _first = new();
    private int _opened;

    public string Uri => inner.Uri;

    public bool HasCandidates => inner.HasCandidates;

    /// <summary>Ends when the first link was disposed of.</summary>
    public Task FirstDisposed => _first.Disposed.Task;

    public ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) =>
        Interlocked.Increment(ref _opened) == 1 ? ValueTask.FromResult<ITransportLink>(_first) : inner.OpenAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class ThrowingLink : ITransportLink
    {
        private readonly TaskCompletionSource _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Disposed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public PeerIdentity Peer => default;

        public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
        {
            await _aborted.Task;
            throw new InvalidOperationException("receive");
        }

        public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => throw new InvalidOperationException("send");

        public void Abort()
        {
            _aborted.TrySetResult();
            throw new InvalidOperationException("abort");
        }

        public ValueTask DisposeAsync()
        {
            Disposed.TrySetResult();
            throw new InvalidOperationException("dispose");
        }
    }
}
