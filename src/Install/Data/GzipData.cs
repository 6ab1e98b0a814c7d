using System.IO.Compression;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Data;

/// <summary>Packs the data on its way to a place.</summary>
internal sealed class GzipTarget : DataTarget
{
    private readonly DataTarget _inner;
    private readonly GZipStream _packed;

    public GzipTarget(DataTarget inner)
    {
        _inner = inner;
        _packed = new GZipStream(inner.Stream, CompressionLevel.Fastest, leaveOpen: true);
    }

    public override Stream Stream => _packed;

    public override async Task FinishAsync(CancellationToken cancellationToken)
    {
        await _packed.DisposeAsync().AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
        await _inner.FinishAsync(cancellationToken).ConfigureAwait(false);
    }

    public override void Commit() => _inner.Commit();

    public override Task<ChannelException?> ExplainAsync() => _inner.ExplainAsync();

    // The packer itself is not ended here: it would write an end, and what is given up must not look whole.
    public override ValueTask DisposeAsync() => _inner.DisposeAsync();
}

/// <summary>Unpacks the data on its way from a place.</summary>
internal sealed class GzipSource : DataSource
{
    private readonly DataSource _inner;
    private readonly GZipStream _unpacked;

    public GzipSource(DataSource inner)
    {
        _inner = inner;
        _unpacked = new GZipStream(new Packed(inner), CompressionMode.Decompress);
    }

    // That of the packed data says nothing of it.
    public override long? Length => null;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) => _unpacked.ReadAsync(buffer, cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        await _unpacked.DisposeAsync().ConfigureAwait(false);
        await _inner.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// The packed bytes, for the unpacker, which takes an end in the middle for a good one. So behind the end stands a byte that begins
    /// nothing: an unpacker that was at an end of its own leaves it, any other asks for more.
    /// </summary>
    private sealed class Packed(DataSource source) : Stream
    {
        private const byte NoBeginning = 0xFF;
        private bool _isEnded;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_isEnded)
            {
                throw new InvalidDataException();
            }

            var count = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count > 0)
            {
                return count;
            }

            _isEnded = true;
            buffer.Span[0] = NoBeginning;
            return 1;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
            // Nothing is written.
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
