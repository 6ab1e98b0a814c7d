using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Exec;

namespace ChannelSdk.Host.Exec;

/// <summary>A program's standard input, as a stream. Disposing of it is the input's end.</summary>
internal sealed class ExecInput(ChannelStream stream) : Stream
{
    private const int MaxPart = 32 << 10;
    private readonly byte[] _message = new byte[MaxPart + 1];
    private bool _isEnded;

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => !_isEnded;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isEnded, this);
        _message[0] = (byte)ExecMessage.Input;
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, MaxPart)];
            part.CopyTo(_message.AsMemory(1));
            await stream.WriteAsync(_message.AsMemory(0, part.Length + 1), cancellationToken).ConfigureAwait(false);
            buffer = buffer[part.Length..];
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override async ValueTask DisposeAsync()
    {
        if (!_isEnded)
        {
            _isEnded = true;
            try
            {
                await stream.WriteAsync(new byte[] { (byte)ExecMessage.Input }).ConfigureAwait(false);
            }
            catch (ChannelException)
            {
                // The program has ended before its input; its exit tells how.
            }
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isEnded)
        {
            DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }

    public override void Flush()
    {
        // Every write is a message of its own, and was taken when it returned.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
