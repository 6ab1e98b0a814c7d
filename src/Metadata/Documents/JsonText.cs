using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>Strict JSON: no duplicate keys, no comments, bounded depth; every error says the line and the path.</summary>
internal static class JsonText
{
    public const int MaxDepth = 32;

    public static JsonNode? Parse(ReadOnlySpan<byte> utf8, int maxDepth = MaxDepth)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth });
        try
        {
            reader.Read();
            var node = ReadValue(ref reader, "", utf8);
            if (reader.Read())
            {
                throw DocumentError.At(Line(utf8, reader.TokenStartIndex), "there is more after the end of the document; a file holds one document");
            }

            return node;
        }
        catch (JsonException e)
        {
            throw DocumentError.At($"line {(e.LineNumber ?? 0) + 1}", $"this is no valid JSON of at most {maxDepth} levels: {WhatOf(e)}", e);
        }
        catch (InvalidOperationException e)
        {
            // The reader says so when a string is not valid UTF-8 or has half a surrogate pair.
            throw DocumentError.At(Line(utf8, reader.TokenStartIndex), "a text is not valid Unicode", e);
        }
    }

    private static JsonNode? ReadValue(ref Utf8JsonReader reader, string path, ReadOnlySpan<byte> text)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var map = new JsonObject();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    var key = reader.GetString()!;
                    var at = path.Length == 0 ? DocumentError.Key(key) : $"{path}.{DocumentError.Key(key)}";
                    if (map.ContainsKey(key))
                    {
                        throw DocumentError.At(at, $"the key is there twice (second time in {Line(text, reader.TokenStartIndex)}); remove one");
                    }

                    reader.Read();
                    map[key] = ReadValue(ref reader, at, text);
                }

                return map;
            case JsonTokenType.StartArray:
                var list = new JsonArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    list.Add(ReadValue(ref reader, $"{path}[{list.Count}]", text));
                }

                return list;
            case JsonTokenType.String:
                return JsonValue.Create(reader.GetString());
            case JsonTokenType.Number:
                return reader.TryGetInt64(out var whole) ? JsonValue.Create(whole) : JsonValue.Create(reader.GetDouble());
            case JsonTokenType.True or JsonTokenType.False:
                return JsonValue.Create(reader.GetBoolean());
            default:
                return null;
        }
    }

    private static string Line(ReadOnlySpan<byte> text, long offset) => $"line {text[..(int)offset].Count((byte)'\n') + 1}";

    // The message ends with a position that counts from 0, and may hold a byte of the document, but no value.
    private static string WhatOf(JsonException e)
    {
        var end = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return end < 0 ? e.Message : e.Message[..end];
    }

    /// <summary>The node as UTF-8 with two spaces of indentation.</summary>
    public static byte[] Write(JsonNode node, bool indented = true)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = indented, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            node.WriteTo(writer);
        }

        return buffer.ToArray();
    }

    /// <summary>As <see cref="Write"/>, as text.</summary>
    public static string WriteText(JsonNode node, bool indented = true) => Encoding.UTF8.GetString(Write(node, indented));
}
