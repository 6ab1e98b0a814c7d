using System.Buffers;

namespace ChannelSdk.Channels;

/// <summary>
/// Owns the pooled memory of one message of a stream after the other. Each has its own version, so a copy of a former message
/// can neither give the memory of a later one back nor read it.
/// </summary>
internal sealed class MessageOwner(ChannelStream stream)
{
    private byte[] _buffer = [];
    private int _length;
    private int _version;

    /// <summary>Takes a buffer of the shared pool over.</summary>
    public ReceivedMessage Own(byte[] buffer, int length)
    {
        (_buffer, _length) = (buffer, length);
        return new ReceivedMessage(this, Volatile.Read(ref _version));
    }

    /// <exception cref="ObjectDisposedException">The message of this version was given back.</exception>
    public ReadOnlyMemory<byte> Read(int version)
    {
        // The version is read last: if it matches, the values read before belong to this message.
        var (buffer, length) = (Volatile.Read(ref _buffer), Volatile.Read(ref _length));
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _version) != version, typeof(ReceivedMessage));
        return buffer.AsMemory(0, length);
    }

    /// <summary>Gives the memory of this version's message back, if it was not.</summary>
    public void Return(int version)
    {
        if (Interlocked.CompareExchange(ref _version, version + 1, version) != version)
        {
            return;
        }

        var buffer = _buffer;
        _buffer = [];
        ArrayPool<byte>.Shared.Return(buffer);
        stream.Reuse(this);
    }
}
