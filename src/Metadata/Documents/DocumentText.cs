using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>A document as a person wrote it: JSON if it begins with a brace, YAML if not.</summary>
internal static class DocumentText
{
    /// <summary>Bytes that a document may have.</summary>
    public const int MaxBytes = 1 << 20;

    public static JsonObject Parse(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length > MaxBytes)
        {
            throw DocumentError.At("document", $"it has {utf8.Length} bytes; {MaxBytes} are allowed");
        }

        if (utf8.StartsWith("\uFEFF"u8))
        {
            utf8 = utf8[3..];
        }

        var first = utf8.TrimStart(" \t\r\n"u8);
        var node = first.StartsWith("{"u8) ? JsonText.Parse(utf8) : YamlText.Parse(Decode(utf8));
        return node as JsonObject
            ?? throw DocumentError.At("document", "it must be a mapping of keys such as instance_id and hostname");
    }

    private static string Decode(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(utf8);
        }
        catch (DecoderFallbackException e)
        {
            throw DocumentError.At("document", "it is not valid UTF-8", e);
        }
    }
}
