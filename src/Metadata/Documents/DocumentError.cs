using ChannelSdk.Protocol;

namespace ChannelSdk.Metadata.Documents;

/// <summary>The one error of documents: where, what, and what is allowed. A value itself is never in it, as it may be private.</summary>
internal static class DocumentError
{
    /// <param name="place">A path such as <c>os.parameters.disk</c>, or a line of the text.</param>
    /// <param name="text">What is wrong and what is allowed.</param>
    /// <param name="inner">The cause, if there is one.</param>
    public static ChannelException At(string place, string text, Exception? inner = null) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"metadata: {place}: {text}", inner);

    /// <summary>A key as it may stand in an error text: bounded, and without control characters.</summary>
    public static string Key(string key)
    {
        var shown = key.Length <= 64 ? key : key[..64] + "…";
        return string.Concat(shown.Select(c => char.IsControl(c) || c is >= '\u2028' and <= '\u202E' ? '?' : c));
    }
}
