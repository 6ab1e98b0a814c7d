using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Qga;

/// <summary>
/// The link to a QEMU guest agent: whole requests out, lines in. Opened again after it was dropped. One call at a time, but
/// <see cref="DropLinkAsync"/>.
/// </summary>
/// <param name="endpoint">Where the agent is; disposed of with the stream.</param>
internal sealed class QgaStream(ITransportEndpoint endpoint) : IAsyncDisposable
{
    private const int ReceiveBuffer = 64 << 10;

    private readonly QgaReplyReader _replies = new();
    private readonly byte[] _received = new byte[ReceiveBuffer];
    private ReadOnlyMemory<byte> _pending;
    private ITransportLink? _link;
    private Task<int>? _receiving;

    /// <summary>URI of the agent's place.</summary>
    internal string Uri => endpoint.Uri;

    /// <summary>Whether there is a link.</summary>
    internal bool IsOpen => _link is not null;

    /// <summary>Opens a link if there is none.</summary>
    /// <exception cref="ChannelException">Why the endpoint cannot be opened.</exception>
    internal async ValueTask OpenAsync(CancellationToken cancellationToken) =>
        _link ??= await endpoint.OpenAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>Says that the next line is the answer to a synchronization.</summary>
    internal void AwaitSync() => _replies.AwaitSync();

    /// <summary>Says that the next line is a reply of at most so many bytes.</summary>
    internal void AwaitReply(int maxBytes) => _replies.AwaitReply(maxBytes);

    /// <summary>Sends all of a request over the open link; given up, the link is dropped.</summary>
    /// <exception cref="ChannelException">The link was lost.</exception>
    internal async ValueTask SendAsync(byte[] whole, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> bytes = whole;
        while (!bytes.IsEmpty)
        {
            var sending = _link!.SendAsync(bytes).AsTask();
            try
            {
                bytes = bytes[await sending.WaitAsync(cancellationToken).ConfigureAwait(false)..];
            }
            catch (OperationCanceledException)
            {
                // A part may have gone; nothing can follow it on this link.
                await DropLinkAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>Reads the next line from the open link.</summary>
    /// <exception cref="ChannelException">The link was lost, or the line is too long (<see cref="ChannelError.ResourceExhausted"/>).</exception>
    internal async ValueTask<ReadOnlyMemory<byte>> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_replies.TryTake(ref _pending, out var line))
            {
                return line;
            }

            // A guest that floods must not outlast the deadline.
            cancellationToken.ThrowIfCancellationRequested();
            // A receive outlives the call that began it: the link has no way to take it back. What follows it is not the I/O
            // thread's work, which other instances wait for.
            _receiving ??= _link!.ReceiveAsync(_received).AsTask().ContinueWith(
                static received => received.GetAwaiter().GetResult(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            var count = await _receiving.WaitAsync(cancellationToken).ConfigureAwait(false);
            _receiving = null;
            _pending = count > 0 ? _received.AsMemory(0, count)
                : throw new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, $"{endpoint.Uri} was closed");
        }
    }

    /// <summary>Drops the link, and what came over it.</summary>
    internal async ValueTask DropLinkAsync()
    {
        if (Interlocked.Exchange(ref _link, null) is { } link)
        {
            link.Abort();
            if (Interlocked.Exchange(ref _receiving, null) is { } receiving)
            {
                await ((Task)receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await link.DisposeAsync().ConfigureAwait(false);
        }

        _pending = default;
        _replies.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        await DropLinkAsync().ConfigureAwait(false);
        await endpoint.DisposeAsync().ConfigureAwait(false);
    }
}
