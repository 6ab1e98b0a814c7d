using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Documents;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Metadata.Model;

/// <summary>One mapping of a document while it is read: typed values, and errors that say where and what is allowed.</summary>
internal sealed class DocumentMap
{
    private readonly JsonObject _map;
    private readonly string _path;

    /// <param name="map">The mapping.</param>
    /// <param name="path">Where it is; empty for the document itself.</param>
    /// <param name="known">The keys that it may have; null: any.</param>
    public DocumentMap(JsonObject map, string path, string[]? known)
    {
        (_map, _path) = (map, path);
        foreach (var (key, _) in map)
        {
            if (known is null || known.Contains(key))
            {
                continue;
            }

            var meant = NearestName.Of(key, known) is { } near ? $"did you mean '{near}'? " : "";
            throw DocumentError.At(PathOf(key), $"there is no such key; {meant}known are {string.Join(", ", known)}");
        }
    }

    public IEnumerable<string> Keys => _map.Select(e => e.Key);

    public string PathOf(string key) => _path.Length == 0 ? DocumentError.Key(key) : $"{_path}.{DocumentError.Key(key)}";

    public string? Text(string key, int maxLength = 255)
    {
        if (_map[key] is not { } node)
        {
            return null;
        }

        if (node.GetValueKind() != JsonValueKind.String)
        {
            throw Wrong(key, node.GetValueKind() is JsonValueKind.Object or JsonValueKind.Array ? "text" : "text; put it in quotes", node);
        }

        var text = node.GetValue<string>();
        if (text.AsSpan().ContainsAnyInRange('\ud800', '\udfff') && text.EnumerateRunes().Contains(Rune.ReplacementChar) && !text.Contains('\ufffd', StringComparison.Ordinal))
        {
            throw DocumentError.At(PathOf(key), "it has half of a character outside of the Basic Multilingual Plane");
        }

        return text.Length <= maxLength ? text : throw DocumentError.At(PathOf(key), $"it has {text.Length} characters; {maxLength} are allowed");
    }

    /// <summary>Text of one line: no control characters.</summary>
    public string? Line(string key, int maxLength = 255)
    {
        var text = Text(key, maxLength);
        return text is null || !(text.Length == 0 || text.Any(char.IsControl)) ? text : throw DocumentError.At(PathOf(key), "it must be one line of text, without control characters, and not empty");
    }

    public string Required(string key, string example) => Line(key) ?? throw DocumentError.At(PathOf(key), $"it is missing and must be there, for instance '{key}: {example}'");

    public bool Flag(string key) => _map[key] is not { } node ? false
        : node.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? node.GetValue<bool>() : throw Wrong(key, "true or false", node);

    public int? Number(string key, int least, int most)
    {
        if (_map[key] is not { } node)
        {
            return null;
        }

        return node.GetValueKind() == JsonValueKind.Number && node.AsValue().TryGetValue<long>(out var value) && value >= least && value <= most
            ? (int)value : throw Wrong(key, $"a whole number from {least} to {most}", node);
    }

    public T Choice<T>(string key, T missing) where T : struct, Enum
    {
        var names = Enum.GetNames<T>().Select(n => n.ToLowerInvariant()).ToArray();
        return Text(key) is not { } text ? missing
            : Array.IndexOf(names, text) is var index && index >= 0 ? Enum.GetValues<T>()[index]
            : throw DocumentError.At(PathOf(key), $"it must be one of {string.Join(", ", names)}");
    }

    public DocumentMap? Map(string key, string[]? known) => Object(key) is { } map ? new DocumentMap(map, PathOf(key), known) : null;

    public JsonObject? Object(string key) => _map[key] is not { } node ? null : node as JsonObject ?? throw Wrong(key, "a mapping", node);

    public IReadOnlyList<DocumentMap> Maps(string key, string[] known) => [.. List(key).Select((item, i) =>
        new DocumentMap(item as JsonObject ?? throw DocumentError.At($"{PathOf(key)}[{i}]", "it must be a mapping"), $"{PathOf(key)}[{i}]", known))];

    public IReadOnlyList<string> Texts(string key) => [.. List(key).Select((item, i) =>
        item?.GetValueKind() == JsonValueKind.String ? item.GetValue<string>() : throw DocumentError.At($"{PathOf(key)}[{i}]", "it must be text; put it in quotes"))];

    public ReadOnlyOrderedDictionary<string> TextMap(string key, int maxLength) => Map(key, null) is not { } map ? ReadOnlyOrderedDictionary.Empty
        : new ReadOnlyOrderedDictionary<string>(map.Keys.Select(k => KeyValuePair.Create(k, map.Text(k, maxLength) ?? throw DocumentError.At(map.PathOf(k), "it must be text"))));

    /// <summary>Bytes: text, or <c>{base64: ...}</c>.</summary>
    public ReadOnlyMemory<byte>? Bytes(string key)
    {
        if (_map[key] is not JsonObject)
        {
            // Spelled out: a null of byte[] would become empty bytes, which are something else.
            return Text(key, DocumentText.MaxBytes) is { } text ? new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(text)) : default(ReadOnlyMemory<byte>?);
        }

        var map = Map(key, ["base64"])!;
        return map.Base64("base64") ?? throw DocumentError.At(map.PathOf("base64"), "it is missing; bytes are written as text, or as {base64: ...}");
    }

    public ReadOnlyMemory<byte>? Base64(string key)
    {
        if (Text(key, DocumentText.MaxBytes) is not { } text)
        {
            return null;
        }

        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) ? bytes.AsMemory(0, length).ToArray()
            : throw DocumentError.At(PathOf(key), "it is not valid base64");
    }

    private JsonArray List(string key) => _map[key] is not { } node ? [] : node as JsonArray ?? throw Wrong(key, "a list", node);

    private ChannelException Wrong(string key, string wanted, JsonNode node) =>
        DocumentError.At(PathOf(key), $"it is {Describe(node)} and must be {wanted}");

    internal static string Describe(JsonNode node) => node.GetValueKind() switch
    {
        JsonValueKind.Object => "a mapping",
        JsonValueKind.Array => "a list",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "text",
    };
}
