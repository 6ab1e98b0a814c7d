using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace ChannelSdk.Metadata.Layouts;

/// <summary>One answer, ready to be written: bytes, type and tag.</summary>
internal sealed class Resource
{
    public const string Text = "text/plain";
    public const string Json = "application/json";
    public const string Binary = "application/octet-stream";

    public Resource(byte[] body, string contentType)
    {
        Body = body;
        ContentType = contentType;
        // By content: the tag outlives a restart, and a change elsewhere in the tree wakes no watcher of this one.
        Tag = Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 8));
        QuotedTag = $"\"{Tag}\"";
    }

    public byte[] Body { get; }

    public StringValues ContentType { get; }

    public string Tag { get; }

    public StringValues QuotedTag { get; }

    /// <summary>The same with the values of secrets, for a request that may have them; null: there are none.</summary>
    public SecretAnswer? Secrets { get; init; }

    /// <summary>Path on the host of a file whose bytes are the answer; null: <see cref="Body"/> is.</summary>
    public string? File { get; init; }

    public static Resource OfText(string text, string contentType = Text) => new(Encoding.UTF8.GetBytes(text), contentType);
}
