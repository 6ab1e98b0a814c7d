using System.Buffers;

namespace ChannelSdk.Runtime;

/// <summary>A message of a stream in pooled memory. Disposing gives the memory back; do it once, and use nothing of it afterwards.</summary>
public readonly struct ReceivedMessage : IDisposable
{
    private readonly byte[]? _buffer;
    private readonly int _length;

    internal ReceivedMessage(byte[] buffer, int length) => (_buffer, _length) = (buffer, length);

    /// <summary>The peer has ended its direction; there is no message.</summary>
    public bool IsEnd => _buffer is null;

    /// <summary>The message's bytes.</summary>
    public ReadOnlyMemory<byte> Memory => _buffer.AsMemory(0, _length);

    /// <summary>The message's bytes.</summary>
    public ReadOnlySpan<byte> Span => _buffer.AsSpan(0, _length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }
    }
}
