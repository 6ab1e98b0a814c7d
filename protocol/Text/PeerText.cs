using System.Text;

namespace ChannelSdk.Protocol.Text;

/// <summary>Text for the peer, and text that the peer sent, made safe once, where it enters: invalid UTF-8 and what is not shown (<see cref="SafeText"/>) become U+FFFD.</summary>
public static class PeerText
{
    /// <summary>The text of bytes that the peer sent, safe to print.</summary>
    /// <param name="untrustedUtf8">The bytes; their number is the caller's to bound.</param>
    public static string Decode(ReadOnlySpan<byte> untrustedUtf8)
    {
        var result = new StringBuilder(untrustedUtf8.Length);
        Span<char> units = stackalloc char[2];
        foreach (var rune in Encoding.UTF8.GetString(untrustedUtf8).EnumerateRunes())
        {
            result.Append(units[..(SafeText.IsShown(rune) ? rune : Rune.ReplacementChar).EncodeToUtf16(units)]);
        }

        return result.ToString();
    }

    /// <summary>Writes a text for the peer as UTF-8, as much of it as has room: no character is cut.</summary>
    /// <param name="text">The text.</param>
    /// <param name="target">Where it goes.</param>
    /// <returns>Bytes that were written.</returns>
    public static int Encode(string text, Span<byte> target)
    {
        Encoding.UTF8.GetEncoder().Convert(text, target, flush: true, out _, out var bytes, out _);
        return bytes;
    }
}
