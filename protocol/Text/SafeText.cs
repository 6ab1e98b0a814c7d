using System.Buffers;
using System.Globalization;
using System.Text;

namespace ChannelSdk.Protocol.Text;

/// <summary>
/// Which characters may go to a terminal, a log or a screen, decided in this one place. Shown as they are: letters, marks,
/// digits, punctuation, symbols and spaces. Everything else could change how the line reads: controls (Cc), format characters
/// such as text-direction marks, soft hyphens and tags (Cf), line and paragraph separators (Zl, Zp), halves of surrogate pairs
/// (Cs), private (Co) and unassigned (Cn) code points, and what has no width although its category is another one.
/// </summary>
public static class SafeText
{
    /// <summary>
    /// Makes what is not shown visible as \u and four hexadecimal digits for each UTF-16 unit. Backslashes stay as they are, so a
    /// text that passes two edges is not escaped twice.
    /// </summary>
    /// <param name="text">Text of unknown origin.</param>
    /// <param name="maxLength">Characters of the result; three dots stand for the rest.</param>
    public static string Escape(ReadOnlySpan<char> text, int maxLength = 1024)
    {
        if (text.Length <= maxLength && !text.ContainsAnyExceptInRange(' ', '~'))
        {
            // Almost every text.
            return text.ToString();
        }

        var result = new StringBuilder(Math.Min(text.Length, maxLength) + 8);
        while (!text.IsEmpty)
        {
            if (result.Length >= maxLength)
            {
                return result.Append("...").ToString();
            }

            var isWhole = Rune.DecodeFromUtf16(text, out var rune, out var length) == OperationStatus.Done;
            if (isWhole && IsShown(rune))
            {
                result.Append(text[..length]);
            }
            else
            {
                foreach (var unit in text[..length])
                {
                    result.Append("\\u").Append(((int)unit).ToString("x4", CultureInfo.InvariantCulture));
                }
            }

            text = text[length..];
        }

        return result.ToString();
    }

    /// <summary>Whether a code point is shown as it is.</summary>
    internal static bool IsShown(Rune rune) => rune.IsAscii
        ? rune.Value is >= ' ' and <= '~'
        : Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned)
        && !HasNoWidth(rune.Value);

    /// <summary>Default_Ignorable_Code_Point (Unicode 15.1, DerivedCoreProperties.txt) of the categories that are shown otherwise.</summary>
    private static bool HasNoWidth(int value) => value is 0x034F or 0x115F or 0x1160 or 0x17B4 or 0x17B5 or (>= 0x180B and <= 0x180F)
        or 0x3164 or (>= 0xFE00 and <= 0xFE0F) or 0xFFA0 or (>= 0xE0100 and <= 0xE01EF);
}
