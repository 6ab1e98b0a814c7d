using System.Text;

namespace ChannelSdk.Protocol;

/// <summary>Text that the peer sent, made safe once, where it enters: invalid UTF-8 and control characters become U+FFFD.</summary>
internal static class PeerText
{
    public static string Decode(ReadOnlySpan<byte> untrustedUtf8)
    {
        var text = Encoding.UTF8.GetString(untrustedUtf8);
        return string.Create(text.Length, text, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++)
            {
                // Bidirectional overrides can make a log line read as something else.
                target[i] = char.IsControl(source[i]) || source[i] is >= '\u202A' and <= '\u202E' or >= '\u2066' and <= '\u2069' or '\u2028' or '\u2029'
                    ? '\uFFFD'
                    : source[i];
            }
        });
    }
}
