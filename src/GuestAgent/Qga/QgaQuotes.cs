using System.Buffers;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>Texts in single quotes, which are no JSON and which the parser of QEMU's programs takes.</summary>
internal static class QgaQuotes
{
    /// <summary>The text with double quotes only. One without single quotes is given back as it is.</summary>
    /// <param name="text">A whole text, as the framer cut it.</param>
    public static Memory<byte> Normalize(Memory<byte> text)
    {
        if (!text.Span.Contains((byte)'\''))
        {
            return text;
        }

        var to = new ArrayBufferWriter<byte>(text.Length + 16);
        byte quote = 0;
        ReadOnlySpan<byte> from = text.Span;
        for (var i = 0; i < from.Length; i++)
        {
            var next = from[i];
            if (quote != 0 && next == '\\' && i + 1 < from.Length)
            {
                // JSON has no \' and needs none.
                var escaped = from[++i];
                to.Write(escaped == '\'' ? "'"u8 : [next, escaped]);
            }
            else if (quote == 0 ? next is (byte)'"' or (byte)'\'' : next == quote)
            {
                quote = quote == 0 ? next : (byte)0;
                to.Write("\""u8);
            }
            else
            {
                to.Write(quote == '\'' && next == '"' ? "\\\""u8 : [next]);
            }
        }

        return to.WrittenCount <= QgaFramer.MaxMessage ? to.WrittenSpan.ToArray() : throw new QgaException("JSON token size limit exceeded");
    }
}
