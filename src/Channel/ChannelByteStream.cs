using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>
/// A <see cref="ChannelStream"/> as a byte stream, for code that knows streams: boundaries of messages are lost, bytes are not.
/// One read and one write may be under way at a time. The peer's errors are <see cref="IOException"/>s around a
/// <see cref="ChannelException"/>.
/// </summary>
/// <param name="stream">The channel's stream; disposed of with this.</param>
/// <param name="maxWrite">Largest message that a write is cut into, bytes.</param>
public sealed class ChannelByteStream(ChannelStream stream, int maxWrite = 65536) : Stream
{
    private readonly CancellationTokenSource _disposed = new();
    private ReceivedMessage _message;
    private int _taken;
    private bool _hasMessage;
    private bool _isEnd;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Ends this side's direction; what the peer sends can still be read.</summary>
    public ValueTask CompleteWritesAsync(CancellationToken cancellationToken = default) => stream.CompleteAsync(cancellationToken);

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var both = cancellationToken.CanBeCanceled ? CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposed.Token) : null;
        try
        {
            // An empty message carries nothing; only the end may read as 0.
            while (!_hasMessage && !_isEnd)
            {
                _message = await stream.ReadAsync(both?.Token ?? _disposed.Token).ConfigureAwait(false);
                _isEnd = _message.IsEnd;
                _hasMessage = !_isEnd && _message.Span.Length > 0;
                _taken = 0;
                if (!_hasMessage)
                {
                    _message.Dispose();
                }
            }
        }
        catch (ChannelException e)
        {
            throw new IOException(e.Message, e);
        }

        if (_isEnd)
        {
            return 0;
        }

        var count = Math.Min(buffer.Length, _message.Span.Length - _taken);
        _message.Span.Slice(_taken, count).CopyTo(buffer.Span);
        _taken += count;
        if (_taken == _message.Span.Length)
        {
            _hasMessage = false;
            _message.Dispose();
        }

        return count;
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                var piece = buffer[..Math.Min(buffer.Length, maxWrite)];
                await stream.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
                buffer = buffer[piece.Length..];
            }
        }
        catch (ChannelException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    /// <summary>Nothing is held back.</summary>
    public override void Flush()
    {
    }

    /// <summary>Nothing is held back.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Ends the stream, and a read that waits.</summary>
    public override async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync().ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _disposed.Cancel();
            _ = stream.DisposeAsync().AsTask();
        }

        base.Dispose(disposing);
    }
}
