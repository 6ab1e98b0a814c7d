using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>
/// The YAML that people write configuration in: block and flow mappings and sequences, plain and quoted text, | and >
/// blocks, comments (YAML 1.2, core schema). Anchors, tags, complex keys, several documents and text that goes on over
/// line ends without | or > are refused by name instead of being misread.
/// </summary>
internal sealed class YamlText
{
    private readonly List<YamlLine> _lines;
    private int _next;

    private YamlText(List<YamlLine> lines) => _lines = lines;

    public static JsonNode? Parse(string text)
    {
        var parser = new YamlText(YamlLine.Split(text));
        var node = parser.ReadBlock(0, 0, "");
        if (parser.Peek() is { } rest)
        {
            throw rest.Error("it does not belong to what is above it; check its indentation");
        }

        return node;
    }

    /// <summary>The next line with content, which stays the next one.</summary>
    private YamlLine? Peek()
    {
        while (_next < _lines.Count && _lines[_next].IsEmpty)
        {
            _next++;
        }

        return _next < _lines.Count ? _lines[_next] : null;
    }

    private JsonNode? ReadBlock(int leastIndent, int depth, string path)
    {
        if (Peek() is not { } line || line.Indent < leastIndent)
        {
            return null;
        }

        if (depth >= JsonText.MaxDepth)
        {
            throw line.Error($"more than {JsonText.MaxDepth} levels");
        }

        if (line.IsItem)
        {
            return ReadSequence(line.Indent, depth, path);
        }

        return YamlKey.TrySplit(line, out _, out _) ? ReadMapping(line.Indent, depth, path) : ReadInline(line.Content, line.Indent - 1, path);
    }

    private JsonArray ReadSequence(int indent, int depth, string path)
    {
        var list = new JsonArray();
        while (Peek() is { } line && line.Indent == indent && line.IsItem)
        {
            var place = $"{path}[{list.Count}]";
            var item = line.Content[1..].TrimStart(' ');
            if (item.Length == 0 || item[0] == '#')
            {
                _next++;
                list.Add(ReadBlock(indent + 1, depth + 1, place));
                continue;
            }

            // "- key: value" and "- - x": what follows the dash is a block of its own that begins at its column.
            var inner = line with { Indent = indent + line.Content.Length - item.Length, Content = item };
            if (inner.IsItem || YamlKey.TrySplit(inner, out _, out _))
            {
                _lines[_next] = inner;
                list.Add(ReadBlock(indent + 1, depth + 1, place));
            }
            else
            {
                list.Add(ReadInline(item, indent, place));
            }
        }

        ThrowIfDeeper(indent);
        return list;
    }

    private JsonObject ReadMapping(int indent, int depth, string path)
    {
        var map = new JsonObject();
        while (Peek() is { } line && line.Indent == indent && !line.IsItem)
        {
            if (!YamlKey.TrySplit(line, out var key, out var value))
            {
                throw line.Error("a key and a colon are wanted here, as in 'hostname: vm1'");
            }

            var place = path.Length == 0 ? DocumentError.Key(key) : $"{path}.{DocumentError.Key(key)}";
            if (map.ContainsKey(key))
            {
                throw DocumentError.At(place, $"the key is there twice (second time in line {line.Number}); remove one");
            }

            if (value.Length == 0 || value[0] == '#')
            {
                _next++;
                // A sequence may stand at the column of its key.
                var least = Peek() is { IsItem: true } below && below.Indent == indent ? indent : indent + 1;
                map[key] = ReadBlock(least, depth + 1, place);
            }
            else
            {
                map[key] = ReadInline(value, indent, place);
            }
        }

        ThrowIfDeeper(indent);
        return map;
    }

    /// <summary>A value that begins within the next line, which is used up with it.</summary>
    private JsonNode? ReadInline(string text, int parentIndent, string path)
    {
        var line = _lines[_next];
        if (text[0] is '|' or '>')
        {
            return YamlBlockScalar.Read(_lines, ref _next, text, parentIndent);
        }

        if (text[0] is '[' or '{')
        {
            return YamlFlow.Read(_lines, ref _next, text, path);
        }

        _next++;
        var value = YamlScalar.Read(text, line);
        if (Peek() is { } after && after.Indent > Math.Max(parentIndent, -1) && after.Indent > line.Indent && !after.IsItem)
        {
            throw after.Error("text that goes on over a line end needs '|' or '>' after its key");
        }

        return value;
    }

    private void ThrowIfDeeper(int indent)
    {
        if (Peek() is { } line && line.Indent > indent)
        {
            throw line.Error("it is indented deeper than what it belongs to");
        }
    }
}
