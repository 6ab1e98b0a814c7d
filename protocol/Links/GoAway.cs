using System.Buffers.Binary;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Links;

/// <summary>
/// Payload of a GOAWAY frame: code u16, scope u8 (0 = this link, 1 = the session), zero u8, then at most 256 bytes of
/// UTF-8 text for a person (PROTOCOL.md section 9).
/// </summary>
internal static class GoAway
{
    public const int MaxText = 256;
    private const int FixedSize = 4;

    public static int Write(Span<byte> target, ChannelError code, bool endsSession, string text)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)code);
        target[2] = endsSession ? (byte)1 : (byte)0;
        target[3] = 0;
        return FixedSize + PeerText.Encode(text, target.Slice(FixedSize, MaxText));
    }

    public static bool TryRead(ReadOnlySpan<byte> untrusted, out ChannelError code, out bool endsSession, out string text)
    {
        (code, endsSession, text) = (ChannelError.None, false, "");
        if (untrusted.Length is < FixedSize or > FixedSize + MaxText || untrusted[2] > 1 || untrusted[3] != 0)
        {
            return false;
        }

        code = (ChannelError)BinaryPrimitives.ReadUInt16LittleEndian(untrusted);
        endsSession = untrusted[2] == 1;
        text = PeerText.Decode(untrusted[FixedSize..]);
        return true;
    }
}
