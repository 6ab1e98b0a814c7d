using System.Text;

namespace ChannelSdk.HostEndpoint;

/// <summary>Text from a guest on its way to a terminal or a log.</summary>
public static class GuestText
{
    /// <summary>Makes control characters, line ends and text-direction marks visible as \uXXXX. Idempotent on its own output.</summary>
    /// <param name="text">What the guest said.</param>
    /// <param name="maxLength">Characters kept; the rest becomes an ellipsis.</param>
    public static string Escape(string text, int maxLength = 1024)
    {
        var result = new StringBuilder(Math.Min(text.Length, maxLength));
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, maxLength)))
        {
            if (char.IsControl(c) || c is (>= '\u2028' and <= '\u202E') or (>= '\u2066' and <= '\u2069') or '\uFEFF')
            {
                result.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                result.Append(c);
            }
        }

        return text.Length > maxLength ? result.Append('…').ToString() : result.ToString();
    }
}
