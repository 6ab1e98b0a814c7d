using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>[a, b] and {a: b}, over several lines if need be.</summary>
internal ref struct YamlFlow
{
    private const int MaxLines = 200;
    private readonly YamlLine _line;
    private readonly string _text;
    private int _at;

    private YamlFlow(YamlLine line, string text) => (_line, _text) = (line, text);

    /// <summary>Reads the collection that the text begins with, and uses up its lines.</summary>
    public static JsonNode? Read(List<YamlLine> lines, ref int next, string text, string path)
    {
        var first = lines[next++];
        var whole = new StringBuilder(WithoutComment(text));
        while (!IsClosed(whole.ToString()) && next < lines.Count)
        {
            if (lines[next].Number - first.Number > MaxLines)
            {
                throw first.Error($"the bracket that is opened here is not closed within {MaxLines} lines; use a block of '- item' or 'key: value' lines");
            }

            whole.Append(' ').Append(WithoutComment(lines[next++].Content));
        }

        var flow = new YamlFlow(first, whole.ToString());
        var node = flow.ReadValue(path, 0);
        flow.SkipSpaces();
        return flow._at == flow._text.Length ? node : throw first.Error("there is more after the closing bracket");
    }

    private JsonNode? ReadValue(string path, int depth)
    {
        if (depth >= JsonText.MaxDepth)
        {
            throw _line.Error($"more than {JsonText.MaxDepth} levels");
        }

        SkipSpaces();
        return Current switch
        {
            '[' => ReadList(path, depth),
            '{' => ReadMap(path, depth),
            '"' or '\'' => JsonValue.Create(ReadQuoted()),
            _ => YamlScalar.Resolve(ReadPlain(), _line),
        };
    }

    private JsonArray ReadList(string path, int depth)
    {
        var list = new JsonArray();
        _at++;
        while (!TryClose(']'))
        {
            list.Add(ReadValue($"{path}[{list.Count}]", depth + 1));
            Separate(']');
        }

        return list;
    }

    private JsonObject ReadMap(string path, int depth)
    {
        var map = new JsonObject();
        _at++;
        while (!TryClose('}'))
        {
            var key = Current is '"' or '\'' ? ReadQuoted() : ReadPlain();
            var place = $"{path}.{DocumentError.Key(key)}";
            SkipSpaces();
            if (Current != ':')
            {
                throw DocumentError.At(path, $"a colon, a space and a value are wanted after each key (line {_line.Number})");
            }

            _at++;
            if (map.ContainsKey(key))
            {
                throw DocumentError.At(place, $"the key is there twice (in line {_line.Number}); remove one");
            }

            map[key] = ReadValue(place, depth + 1);
            Separate('}');
        }

        return map;
    }

    private readonly char Current => _at < _text.Length ? _text[_at] : '\0';

    private bool TryClose(char bracket)
    {
        SkipSpaces();
        if (_at >= _text.Length)
        {
            throw _line.Error($"the bracket that is opened here is never closed with '{bracket}'");
        }

        if (Current != bracket)
        {
            return false;
        }

        _at++;
        return true;
    }

    private void Separate(char bracket)
    {
        SkipSpaces();
        if (Current == ',')
        {
            _at++;
        }
        else if (Current != bracket)
        {
            throw _line.Error($"a comma or '{bracket}' is wanted within the brackets");
        }
    }

    private string ReadQuoted()
    {
        var value = YamlScalar.ReadQuoted(_text[_at..], _line, out var length);
        _at += length;
        return value;
    }

    private string ReadPlain()
    {
        var start = _at;
        while (_at < _text.Length && _text[_at] is not (',' or ']' or '}' or '[' or '{')
            && !(_text[_at] == ':' && (_at + 1 == _text.Length || _text[_at + 1] is ' ' or ',' or ']' or '}')))
        {
            _at++;
        }

        return _text[start.._at].Trim(' ');
    }

    private void SkipSpaces()
    {
        while (Current is ' ' or '\t')
        {
            _at++;
        }
    }

    private static bool IsClosed(string text)
    {
        var (depth, quote) = (0, '\0');
        for (var i = 0; i < text.Length; i++)
        {
            if (quote != '\0')
            {
                i += quote == '"' && text[i] == '\\' ? 1 : 0;
                quote = i < text.Length && text[i] == quote ? '\0' : quote;
            }
            else if (text[i] is '"' or '\'' && (i == 0 || text[i - 1] is ' ' or ',' or '[' or '{' or ':'))
            {
                quote = text[i];
            }
            else
            {
                depth += text[i] is '[' or '{' ? 1 : text[i] is ']' or '}' ? -1 : 0;
            }
        }

        return depth <= 0;
    }

    private static string WithoutComment(string text)
    {
        var quote = '\0';
        for (var i = 0; i < text.Length; i++)
        {
            if (quote == '\0' && text[i] == '#' && (i == 0 || text[i - 1] == ' '))
            {
                return text[..i];
            }

            if (quote != '\0' ? text[i] == quote : text[i] is '"' or '\'')
            {
                quote = quote == '\0' ? text[i] : '\0';
            }
        }

        return text;
    }
}
