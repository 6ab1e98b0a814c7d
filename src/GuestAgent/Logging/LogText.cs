using ChannelSdk.Protocol.Text;

namespace ChannelSdk.GuestAgent.Logging;

/// <summary>Makes text of unknown origin safe for a log line or a terminal.</summary>
internal static class LogText
{
    /// <summary>As <see cref="SafeText.Escape"/>; the place of the text decides on its length, so there is no default.</summary>
    public static string Escape(ReadOnlySpan<char> text, int maxLength) => SafeText.Escape(text, maxLength);
}
