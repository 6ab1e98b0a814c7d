using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint;

/// <summary>Text from a guest on its way to a terminal or a log.</summary>
public static class GuestText
{
    /// <summary>Makes what <see cref="SafeText"/> does not show visible as \uXXXX. Idempotent on its own output.</summary>
    /// <param name="text">What the guest said.</param>
    /// <param name="maxLength">Characters of the result; three dots stand for the rest.</param>
    public static string Escape(string text, int maxLength = 1024)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegative(maxLength);
        return SafeText.Escape(text, maxLength);
    }
}
