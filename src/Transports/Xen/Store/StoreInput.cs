using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Xen.Store;

/// <summary>Cuts messages out of the bytes of a connection to xenstore, which come in any pieces.</summary>
internal sealed class StoreInput
{
    private readonly byte[] _bytes = new byte[StoreMessage.HeaderLength + StoreMessage.MaxPayload];
    private int _start;
    private int _end;

    /// <summary>Where the next bytes go. Never empty once <see cref="TryTake"/> has found no more messages.</summary>
    internal Span<byte> Room => _bytes.AsSpan(_end);

    /// <summary>Says that bytes were written to the beginning of <see cref="Room"/>.</summary>
    internal void Add(int count) => _end += count;

    /// <summary>Takes the next message. False if none is whole.</summary>
    /// <param name="message">Its header.</param>
    /// <param name="payload">Its payload, until the next call.</param>
    /// <exception cref="ChannelException">What came is no message (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal bool TryTake(out StoreMessage message, out ReadOnlySpan<byte> payload)
    {
        message = default;
        payload = default;
        var untrusted = _bytes.AsSpan(_start, _end - _start);
        if (untrusted.Length >= StoreMessage.HeaderLength)
        {
            message = StoreMessage.Parse(untrusted[..StoreMessage.HeaderLength]);
            var length = StoreMessage.HeaderLength + message.Length;
            if (untrusted.Length >= length)
            {
                payload = untrusted[StoreMessage.HeaderLength..length];
                _start += length;
                return true;
            }
        }
        // There is always room for one whole message.
        untrusted.CopyTo(_bytes);
        (_start, _end) = (0, untrusted.Length);
        return false;
    }
}
