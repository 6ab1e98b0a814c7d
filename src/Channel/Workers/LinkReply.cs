using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Channels.Workers;

/// <summary>
/// A supervisor's answer to a worker that asks for its next link, or for what it makes one of (<see cref="BrokeredKind"/>): it comes with descriptors if there
/// is one. A request is one byte.
/// </summary>
/// <param name="Error">Why there is none; null with a descriptor.</param>
/// <param name="EndsBothWays">Whether a peer that sends no more is gone.</param>
public sealed record LinkReply(ChannelException? Error, bool EndsBothWays)
{
    /// <summary>Most bytes of an encoded reply.</summary>
    public const int MostBytes = Fixed + MostText;

    private const int Fixed = 4;
    private const int MostText = 1024;

    /// <summary>What a worker must know of the descriptors, in their transport's form; nothing for a link.</summary>
    public ReadOnlyMemory<byte> Description { get; init; }

    /// <summary>What a worker sends to ask.</summary>
    public static ReadOnlySpan<byte> Request => [1];

    /// <summary>Encodes it: class of the error and 0x80, or whether the link ends both ways; zero; code u16; text, or the description.</summary>
    public byte[] ToBytes()
    {
        if (Error is not { } error)
        {
            return [EndsBothWays ? (byte)1 : (byte)0, 0, 0, 0, .. Description.Span];
        }

        Span<byte> text = stackalloc byte[MostText];
        var length = PeerText.Encode(error.Message, text);
        var bytes = new byte[Fixed + length];
        bytes[0] = (byte)(0x80 | (byte)error.Class);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), (ushort)error.Code);
        text[..length].CopyTo(bytes.AsSpan(Fixed));
        return bytes;
    }

    /// <summary>Decodes it; null: it is not one.</summary>
    public static LinkReply? Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length is < Fixed or > MostBytes)
        {
            return null;
        }

        return (bytes[0] & 0x80) == 0
            ? new LinkReply(null, bytes[0] != 0) { Description = bytes[Fixed..].ToArray() }
            : new LinkReply(
                new ChannelException((ChannelError)BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]), (ErrorClass)(bytes[0] & 0x7F), PeerText.Decode(bytes[Fixed..])), false);
    }
}
