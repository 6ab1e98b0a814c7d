using System.Globalization;
using System.Text;

namespace ChannelSdk.GuestAgent.Logging;

/// <summary>Makes text of unknown origin safe for a log line or a terminal.</summary>
internal static class LogText
{
    /// <summary>
    /// Printable characters as they are, everything else (controls, line separators, direction marks, surrogates) as
    /// \u and four hexadecimal digits; cut with "..." after a number of characters. Backslashes stay as they are, so that
    /// a text that passes two edges is not escaped twice.
    /// </summary>
    public static string Escape(ReadOnlySpan<char> text, int maxLength)
    {
        var result = new StringBuilder(Math.Min(text.Length, maxLength) + 8);
        foreach (char c in text)
        {
            if (result.Length >= maxLength)
            {
                return result.Append("...").ToString();
            }
            if (IsPrintable(c))
            {
                result.Append(c);
            }
            else
            {
                result.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
            }
        }
        return result.ToString();
    }

    private static bool IsPrintable(char c) => c < 0x80
        ? c is >= ' ' and <= '~'
        : char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned);
}
