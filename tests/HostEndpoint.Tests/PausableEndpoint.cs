using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>An endpoint whose guest can be paused: it takes no bytes any more, and its link stays.</summary>
internal sealed class PausableEndpoint(ITransportEndpoint inner) : ITransportEndpoint
{
    private readonly TaskCompletionSource _paused = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public string Uri => inner.Uri;

    public void Pause() => _paused.TrySetResult();

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken) => new Link(await inner.OpenAsync(cancellationToken), _paused.Task);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Link(ITransportLink inner, Task paused) : ITransportLink
    {
        private readonly TaskCompletionSource<int> _aborted = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public PeerIdentity Peer => inner.Peer;

        public ValueTask<int> ReceiveAsync(Memory<byte> buffer) => inner.ReceiveAsync(buffer);

        public ValueTask<int> SendAsync(ReadOnlyMemory<byte> buffer) => paused.IsCompleted ? new(_aborted.Task) : inner.SendAsync(buffer);

        public void Abort()
        {
            inner.Abort();
            _aborted.TrySetException(new ChannelException(ChannelError.LinkLost, ErrorClass.Fatal, "the link was aborted"));
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
