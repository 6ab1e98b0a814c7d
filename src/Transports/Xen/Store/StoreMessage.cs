using System.Buffers.Binary;
using System.Text;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Xen.Store;

/// <summary>The wire form: a header of four little-endian u32 (kind, request id, transaction, length), then the payload.</summary>
internal readonly struct StoreMessage
{
    internal const int HeaderLength = 16;

    /// <summary>XENSTORE_PAYLOAD_MAX.</summary>
    internal const int MaxPayload = 4096;

    private StoreMessage(StoreOperation operation, uint requestId, int length) =>
        (Operation, RequestId, Length) = (operation, requestId, length);

    internal StoreOperation Operation { get; }

    internal uint RequestId { get; }

    /// <summary>Bytes of the payload, 0 to <see cref="MaxPayload"/>.</summary>
    internal int Length { get; }

    /// <summary>Reads a header.</summary>
    /// <exception cref="ChannelException">Its length cannot be (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal static StoreMessage Parse(ReadOnlySpan<byte> untrusted)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(untrusted[12..]);
        if (length > MaxPayload)
        {
            throw Broken($"a message of {length} bytes");
        }

        return new StoreMessage((StoreOperation)BinaryPrimitives.ReadUInt32LittleEndian(untrusted),
            BinaryPrimitives.ReadUInt32LittleEndian(untrusted[4..]), (int)length);
    }

    /// <summary>Makes a request outside of any transaction.</summary>
    /// <param name="operation">What is asked.</param>
    /// <param name="requestId">What the reply will carry.</param>
    /// <param name="payload">Its texts, each with its zero, as the operation needs them.</param>
    internal static byte[] Request(StoreOperation operation, uint requestId, string payload)
    {
        var length = Encoding.Latin1.GetByteCount(payload);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxPayload, nameof(payload));
        var message = new byte[HeaderLength + length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)operation);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), requestId);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), (uint)length);
        Encoding.Latin1.GetBytes(payload, message.AsSpan(HeaderLength));
        return message;
    }

    internal static ChannelException Broken(string what) => new(
        ChannelError.TransportFailed, ErrorClass.Retry, $"xenstore sent {what}; the connection is opened again");
}
