using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Rpc;

/// <summary>How a call ended.</summary>
/// <param name="Code">The stable code; None for success.</param>
/// <param name="Class">What the caller may conclude.</param>
/// <param name="Text">For a person.</param>
public readonly record struct RpcStatus(ChannelError Code, ErrorClass Class, string Text)
{
    /// <summary>Most bytes of the text, as UTF-8.</summary>
    public const int MaxText = 1024;
    /// <summary>Most bytes of an encoded status: code u16, class u8, zero u8, text.</summary>
    public const int MaxSize = 4 + MaxText;

    /// <summary>Encodes it and gives its size; the text is cut to <see cref="MaxText"/>.</summary>
    public int Write(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)Code);
        target[2] = (byte)Class;
        target[3] = 0;
        return 4 + PeerText.Encode(Text, target.Slice(4, MaxText));
    }

    /// <summary>Decodes what the peer sent. False: it is malformed.</summary>
    public static bool TryRead(ReadOnlySpan<byte> untrusted, out RpcStatus status)
    {
        status = default;
        if (untrusted.Length is < 4 or > MaxSize || untrusted[2] > (byte)ErrorClass.MayHaveRun)
        {
            return false;
        }

        status = new RpcStatus(
            (ChannelError)BinaryPrimitives.ReadUInt16LittleEndian(untrusted),
            (ErrorClass)untrusted[2],
            PeerText.Decode(untrusted[4..]));
        return true;
    }

    /// <summary>The status as what is thrown.</summary>
    public ChannelException ToException() => new(Code, Class, Text.Length == 0 ? $"the call failed: {Code}" : Text);
}
