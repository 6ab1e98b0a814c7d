using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Metadata.Documents;

/// <summary>The one error of documents: where, what, and what is allowed. A value itself is never in it, as it may be private.</summary>
internal static class DocumentError
{
    /// <param name="place">A path such as <c>os.parameters.disk</c>, or a line of the text.</param>
    /// <param name="text">What is wrong and what is allowed.</param>
    /// <param name="inner">The cause, if there is one.</param>
    public static ChannelException At(string place, string text, Exception? inner = null) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"metadata: {place}: {text}", inner);

    /// <summary>A key as it may stand in an error text: bounded, and a name. Other text is perhaps a value that has lost its key.</summary>
    public static string Key(string key) =>
        key.Length is >= 1 and <= 64 && key.All(c => c is > ' ' and < '\x7f') ? key : "(a key that is no name)";
}
