using System.Text.Json;

namespace ChannelSdk.Host.Json;

/// <summary>JSON of an untrusted party: counted before anything is built of it, and read without an exception for what is not there.</summary>
public static class UntrustedJson
{
    private const int MaxDepth = 64;

    /// <summary>Reads a text.</summary>
    /// <param name="untrusted">The text, which the result goes on to use: the caller gives it away.</param>
    /// <param name="maxTokens">Names, values and brackets that are taken; an element in memory is about twelve bytes for each.</param>
    /// <exception cref="JsonException">It is no JSON, or has more of them, or is nested too deeply.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> untrusted, int maxTokens)
    {
        var tokens = new Utf8JsonReader(untrusted.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
        for (var count = 0; tokens.Read();)
        {
            if (++count > maxTokens)
            {
                throw new JsonException($"it has more than {maxTokens} names and values");
            }
        }

        // Not disposed of, as the elements live as long as their reader wants; there is nothing in it but memory.
        return JsonDocument.Parse(untrusted, new JsonDocumentOptions { MaxDepth = MaxDepth }).RootElement;
    }

    /// <summary>A member, or null if it is not there.</summary>
    public static JsonElement? Member(JsonElement untrusted, string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        try
        {
            return untrusted.ValueKind == JsonValueKind.Object && untrusted.TryGetProperty(name, out var value) ? value : null;
        }
        catch (InvalidOperationException)
        {
            // A name beside it has an escape that is half of a pair.
            return null;
        }
    }

    /// <summary>A member that is a text; empty for any other.</summary>
    public static string Text(JsonElement untrusted, string name) => Member(untrusted, name) is { } value ? Text(value) : "";

    /// <summary>A text; empty for anything else.</summary>
    public static string Text(JsonElement untrusted)
    {
        try
        {
            return untrusted.ValueKind == JsonValueKind.String ? untrusted.GetString()! : "";
        }
        catch (InvalidOperationException)
        {
            // An escape that is half of a pair, or bytes that are no UTF-8.
            return "";
        }
    }

    /// <summary>The bytes of a member that is a text in base64; null for any other.</summary>
    public static byte[]? Bytes(JsonElement untrusted, string name)
    {
        try
        {
            return Member(untrusted, name) is { ValueKind: JsonValueKind.String } value && value.TryGetBytesFromBase64(out var bytes) ? bytes : null;
        }
        catch (InvalidOperationException)
        {
            // As above.
            return null;
        }
    }

    /// <summary>A member that is a whole number; null for any other.</summary>
    public static long? Number(JsonElement untrusted, string name) =>
        Member(untrusted, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number) ? number : null;

    /// <summary>Whether a member is true.</summary>
    public static bool IsTrue(JsonElement untrusted, string name) => Member(untrusted, name) is { ValueKind: JsonValueKind.True };

    /// <summary>The items of an array, at most so many; none of anything else.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement untrusted, int most) =>
        untrusted.ValueKind == JsonValueKind.Array ? untrusted.EnumerateArray().Take(most) : [];

    /// <summary>The items of a member that is an array.</summary>
    public static IEnumerable<JsonElement> Items(JsonElement untrusted, string name, int most) =>
        Member(untrusted, name) is { } value ? Items(value, most) : [];
}
