using System.Buffers;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.Services.Install;

/// <summary>An install.Run stream: messages of a kind, written by any number of writers, each in its turn; read by one reader.</summary>
/// <param name="stream">The stream; stays the caller's.</param>
public sealed class InstallStream(ChannelStream stream) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Writes a message. Waits while the other side gives no credit; only the stream's end ends that.</summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="content">What goes behind the kind.</param>
    /// <exception cref="ChannelException">The stream has ended.</exception>
    public async ValueTask WriteAsync(InstallMessage kind, ReadOnlyMemory<byte> content)
    {
        var length = content.Length + 1;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        buffer[0] = (byte)kind;
        content.CopyTo(buffer.AsMemory(1));
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await stream.WriteAsync(buffer.AsMemory(0, length)).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
            // It may have held a parameter.
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
        }
    }

    /// <summary>Writes a message of the contract.</summary>
    public ValueTask WriteAsync(InstallMessage kind, IMessage content) => WriteAsync(kind, content.ToByteArray());

    /// <summary>Ends this side's direction, after what is being written.</summary>
    public async ValueTask CompleteAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            await stream.CompleteAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The next message, to be disposed of; its first byte is its kind. An end is an end.</summary>
    /// <exception cref="ChannelException">The stream has failed, or <see cref="ChannelError.InvalidArgument"/> for a message without a kind.</exception>
    public async ValueTask<ReceivedMessage> ReadAsync(CancellationToken cancellationToken)
    {
        var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (!message.IsEnd && message.Span.IsEmpty)
        {
            message.Dispose();
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "a message of an install.Run stream begins with its kind");
        }

        return message;
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();
}
