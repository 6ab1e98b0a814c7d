using System.IO.Pipelines;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Channels;

/// <summary>
/// A <see cref="ChannelStream"/> as two pipes over its byte stream. Nothing is read ahead of the reader, and a flush ends when the peer
/// has credit for what it holds, so both sides' windows bound what is under way. The stream is disposed of once both pipes are complete.
/// </summary>
internal sealed class ChannelDuplexPipe : IDuplexPipe
{
    private readonly ChannelByteStream _bytes;
    private int _open = 2;

    public ChannelDuplexPipe(ChannelByteStream bytes)
    {
        _bytes = bytes;
        Input = new Reader(this, PipeReader.Create(bytes, new StreamPipeReaderOptions(leaveOpen: true)));
        Output = new Writer(this, PipeWriter.Create(bytes, new StreamPipeWriterOptions(leaveOpen: true)));
    }

    public PipeReader Input { get; }

    public PipeWriter Output { get; }

    /// <summary>One of the pipes is complete; with an error the whole stream ends.</summary>
    private ValueTask EndAsync(Exception? exception)
    {
        var isLast = Interlocked.Decrement(ref _open) == 0;
        return isLast || exception is not null ? _bytes.DisposeAsync() : ValueTask.CompletedTask;
    }

    private sealed class Reader(ChannelDuplexPipe owner, PipeReader inner) : PipeReader
    {
        private int _isComplete;

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

        public override void Complete(Exception? exception = null) => _ = CompleteAsync(exception).AsTask();

        public override async ValueTask CompleteAsync(Exception? exception = null)
        {
            if (Interlocked.Exchange(ref _isComplete, 1) == 0)
            {
                await inner.CompleteAsync(exception).ConfigureAwait(false);
                await owner.EndAsync(exception).ConfigureAwait(false);
            }
        }
    }

    private sealed class Writer(ChannelDuplexPipe owner, PipeWriter inner) : PipeWriter
    {
        private int _isComplete;

        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

        public override long UnflushedBytes => inner.UnflushedBytes;

        public override void Advance(int bytes) => inner.Advance(bytes);

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default) =>
            inner.WriteAsync(source, cancellationToken);

        public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);

        // Its flush waits for the peer, which no caller of a method without a task expects.
        public override void Complete(Exception? exception = null) => _ = IgnoreAsync(CompleteAsync(exception));

        public override async ValueTask CompleteAsync(Exception? exception = null)
        {
            if (Interlocked.Exchange(ref _isComplete, 1) != 0)
            {
                return;
            }

            try
            {
                // With an error it drops what was not flushed.
                await inner.CompleteAsync(exception).ConfigureAwait(false);
                if (exception is null)
                {
                    await owner._bytes.CompleteWritesAsync().ConfigureAwait(false);
                }
            }
            finally
            {
                await owner.EndAsync(exception).ConfigureAwait(false);
            }
        }

        private static async Task IgnoreAsync(ValueTask end)
        {
            try
            {
                await end.ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ChannelException or OperationCanceledException)
            {
                // The reader sees how the stream has ended.
            }
        }
    }
}
