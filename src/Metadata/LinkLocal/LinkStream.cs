using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Metadata.LinkLocal;

/// <summary>
/// A link as a byte stream, for a server that knows streams. One read and one write may be under way at a time. The link's errors
/// are <see cref="IOException"/>s; a call that is cancelled ends the link.
/// </summary>
/// <param name="link">The link; disposed of with this.</param>
internal sealed class LinkStream(ITransportLink link) : Stream
{
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

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        using var registration = AbortBy(cancellationToken);
        try
        {
            return await link.ReceiveAsync(buffer).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException(e.Message, e);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var registration = AbortBy(cancellationToken);
        try
        {
            while (!buffer.IsEmpty)
            {
                buffer = buffer[await link.SendAsync(buffer).ConfigureAwait(false)..];
            }
        }
        catch (ChannelException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
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
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            link.Abort();
        }

        base.Dispose(disposing);
    }

    private CancellationTokenRegistration AbortBy(CancellationToken cancellationToken) =>
        cancellationToken.UnsafeRegister(static state => ((ITransportLink)state!).Abort(), link);
}
