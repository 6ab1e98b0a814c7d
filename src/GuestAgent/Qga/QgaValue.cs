using System.Text;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>One value of a request. Texts stay where they came, so a file's content is not copied.</summary>
internal sealed class QgaValue
{
    private readonly List<(string Name, QgaValue Value)>? _members;
    private readonly Memory<byte> _raw;
    private readonly bool _isEscaped;

    private QgaValue(JsonTokenType kind, Memory<byte> raw, bool isEscaped = false, List<(string, QgaValue)>? members = null) =>
        (Kind, _raw, _isEscaped, _members) = (kind, raw, isEscaped, members);

    /// <summary>The token that it begins with.</summary>
    public JsonTokenType Kind { get; }

    /// <summary>Members of an object by name; items of an array without.</summary>
    public IReadOnlyList<(string Name, QgaValue Value)> Members => _members ?? [];

    /// <summary>Reads a whole text.</summary>
    /// <param name="text">Bounded in length and depth by its framer; texts in it are decoded in place later.</param>
    /// <exception cref="QgaException">It is no JSON, or a key stands twice in an object.</exception>
    public static QgaValue Parse(Memory<byte> text)
    {
        try
        {
            var reader = new Utf8JsonReader(text.Span, new JsonReaderOptions { MaxDepth = QgaFramer.MaxDepth });
            reader.Read();
            var value = Read(ref reader, text);
            reader.Read();
            return value;
        }
        catch (JsonException)
        {
            throw Wrong("expecting value");
        }
    }

    /// <summary>The member of this name, or null.</summary>
    public QgaValue? Find(string name)
    {
        foreach (var (member, value) in Members)
        {
            if (member == name)
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>A text's value; null if this is no text.</summary>
    /// <exception cref="QgaException">Its escapes are no characters.</exception>
    public string? AsText() => Kind == JsonTokenType.String ? Encoding.UTF8.GetString(AsBytes().Span) : null;

    /// <summary>A text's bytes, which the caller may overwrite.</summary>
    /// <exception cref="QgaException">Its escapes are no characters.</exception>
    public Memory<byte> AsBytes()
    {
        if (!_isEscaped)
        {
            return _raw[1..^1];
        }

        try
        {
            var reader = new Utf8JsonReader(_raw.Span);
            reader.Read();
            var plain = new byte[_raw.Length];
            return plain.AsMemory(0, reader.CopyString(plain));
        }
        catch (InvalidOperationException)
        {
            // Half of a pair of surrogates.
            throw Wrong("a \\u sequence is not a valid Unicode character");
        }
    }

    /// <summary>A whole number of 64 bits; null for any other value.</summary>
    public long? AsInteger()
    {
        if (Kind != JsonTokenType.Number)
        {
            return null;
        }

        var reader = new Utf8JsonReader(_raw.Span);
        reader.Read();
        return reader.TryGetInt64(out var number) ? number : null;
    }

    /// <summary>Writes it as it came, without the blanks.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        if (Kind is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
        {
            json.WriteRawValue(_raw.Span, skipInputValidation: true);
            return;
        }

        var isObject = Kind == JsonTokenType.StartObject;
        if (isObject)
        {
            json.WriteStartObject();
        }
        else
        {
            json.WriteStartArray();
        }

        foreach (var (name, value) in Members)
        {
            if (isObject)
            {
                json.WritePropertyName(name);
            }

            value.WriteTo(json);
        }

        if (isObject)
        {
            json.WriteEndObject();
        }
        else
        {
            json.WriteEndArray();
        }
    }

    private static QgaValue Read(ref Utf8JsonReader reader, Memory<byte> text)
    {
        var kind = reader.TokenType;
        var start = (int)reader.TokenStartIndex;
        if (kind is not (JsonTokenType.StartObject or JsonTokenType.StartArray))
        {
            return new QgaValue(kind, text[start..(int)reader.BytesConsumed], kind == JsonTokenType.String && reader.ValueIsEscaped);
        }

        var members = new List<(string, QgaValue)>();
        var names = kind == JsonTokenType.StartObject ? new HashSet<string>(StringComparer.Ordinal) : null;
        while (reader.Read() && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
        {
            var name = "";
            if (names is not null)
            {
                name = NameOf(ref reader);
                if (!names.Add(name))
                {
                    throw Wrong("duplicate key");
                }

                reader.Read();
            }

            members.Add((name, Read(ref reader, text)));
        }

        return new QgaValue(kind, default, false, members);
    }

    private static string NameOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Wrong("a \\u sequence is not a valid Unicode character");
        }
    }

    private static QgaException Wrong(string what) => new($"JSON parse error, {what}");
}
