using System.Text.Json.Nodes;
using ChannelSdk.Protocol.Errors;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace ChannelSdk.Metadata.Documents;

/// <summary>
/// The YAML that people write configuration in: block and flow mappings and sequences, plain and quoted text, | and >
/// blocks, comments (YAML 1.2, core schema). Anchors, tags, complex keys, several documents and text that goes on over
/// line ends without | or > are refused by name instead of being misread.
/// </summary>
internal sealed class YamlText
{
    private readonly string _text;
    private readonly Parser _parser;

    // The innermost bracket that is open, for errors.
    private (long Line, char Closing)? _open;

    private YamlText(string text) => (_text, _parser) = (text, new Parser(new StringReader(text)));

    public static JsonNode? Parse(string text)
    {
        YamlFault.ThrowIfUnreadable(text);
        // A text block's last line has a line end, also where the document's has none.
        var reader = new YamlText(text.EndsWith('\n') ? text : text + '\n');
        try
        {
            return reader.ReadDocument();
        }
        catch (YamlException e)
        {
            throw YamlFault.Of(e.Message, (e.Start.Line, e.End.Line), reader._open, e);
        }
        catch (InvalidOperationException e)
        {
            // The library's own errors in states that it does not expect.
            var line = reader._parser.Current?.End.Line ?? 1;
            throw YamlFault.Of("", (line, line), reader._open, e);
        }
    }

    private static ChannelException Error(ParsingEvent place, string text) => DocumentError.At($"line {place.Start.Line}", text);

    private ParsingEvent Next() => _parser.MoveNext() ? _parser.Current! : throw new YamlException("the text ends too early");

    private JsonNode? ReadDocument()
    {
        Next();
        if (Next() is not DocumentStart)
        {
            return null;
        }

        var node = Read(Next(), "", 0, isFlow: false);
        if (Next() is DocumentEnd { IsImplicit: true } && Next() is DocumentStart more)
        {
            throw Error(more, more.IsImplicit ? "it does not belong to what is above it; check its indentation"
                : "a file holds one document; remove this line and what it separates");
        }

        return node;
    }

    private JsonNode? Read(ParsingEvent item, string path, int depth, bool isFlow)
    {
        Check(item, isFlow);
        if (item is Scalar scalar)
        {
            ThrowIfOverLines(scalar, isFlow);
            return scalar.Style == ScalarStyle.Plain ? YamlScalar.Resolve(scalar.Value, scalar.Start.Line) : JsonValue.Create(scalar.Value);
        }

        if (depth >= JsonText.MaxDepth)
        {
            throw Error(item, $"more than {JsonText.MaxDepth} levels");
        }

        var outer = _open;
        JsonNode node = item switch
        {
            SequenceStart sequence => ReadSequence(sequence, path, depth),
            MappingStart mapping => ReadMapping(mapping, path, depth, isFlow),
            _ => throw Error(item, "a value is wanted here"),
        };
        _open = outer;
        return node;
    }

    private JsonArray ReadSequence(SequenceStart start, string path, int depth)
    {
        var isFlow = start.Style == SequenceStyle.Flow;
        _open = isFlow ? (start.Start.Line, ']') : _open;
        var list = new JsonArray();
        while (Next() is not SequenceEnd and var item)
        {
            if (isFlow && item is MappingStart && _text[(int)item.Start.Index] != '{')
            {
                throw Error(item, "a comma or ']' is wanted within the brackets; a mapping within them has braces, as in [{a: b}]");
            }

            list.Add(Read(item, $"{path}[{list.Count}]", depth + 1, isFlow));
        }

        return list;
    }

    private JsonObject ReadMapping(MappingStart start, string path, int depth, bool isFlow)
    {
        isFlow |= start.Style == MappingStyle.Flow;
        _open = isFlow ? (start.Start.Line, '}') : _open;
        var map = new JsonObject();
        while (Next() is not MappingEnd and var item)
        {
            Check(item, isFlow);
            // A key behind '? ' stands further right than the mapping, which begins with its first key.
            if (item is not Scalar key || (!isFlow && key.Start.Column != start.Start.Column) || key is { Style: ScalarStyle.Plain, Value: "" })
            {
                throw Error(item, "complex and empty keys ('? ') are not supported; write 'key: value'");
            }

            YamlScalar.ThrowIfReserved(key.Style == ScalarStyle.Plain ? key.Value : "", key.Start.Line);
            var place = path.Length == 0 ? DocumentError.Key(key.Value) : $"{path}.{DocumentError.Key(key.Value)}";
            if (map.ContainsKey(key.Value))
            {
                throw DocumentError.At(place, $"the key is there twice (second time in line {key.Start.Line}); remove one");
            }

            var value = Next();
            if (isFlow && value.Start.Index == value.End.Index && !_text.AsSpan((int)key.End.Index, (int)(value.Start.Index - key.End.Index)).Contains(':'))
            {
                throw DocumentError.At(path, $"a colon, a space and a value are wanted after each key (line {key.Start.Line})");
            }

            map[key.Value] = Read(value, place, depth + 1, isFlow);
        }

        return map;
    }

    private void Check(ParsingEvent item, bool isFlow)
    {
        if (!isFlow && _text.AsSpan((int)(item.Start.Index - item.Start.Column + 1)).TrimStart(' ').StartsWith('\t'))
        {
            throw Error(item, "a tab cannot indent YAML; use spaces");
        }

        if (item is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
        {
            throw Error(item, "anchors and aliases are not supported; write the value again, or put it in quotes if it begins with that sign");
        }

        if (item is NodeEvent { Tag.IsEmpty: false })
        {
            throw Error(item, "tags are not supported; put the value in quotes if it begins with '!'");
        }
    }

    // Within brackets a line end is a space; elsewhere it is mostly a mistake of indentation.
    private static void ThrowIfOverLines(Scalar scalar, bool isFlow)
    {
        if (!isFlow && scalar.Start.Line != scalar.End.Line && scalar.Style is ScalarStyle.Plain)
        {
            throw DocumentError.At($"line {scalar.Start.Line + 1}", "text that goes on over a line end needs '|' or '>' after its key");
        }

        if (!isFlow && scalar.Start.Line != scalar.End.Line && scalar.Style is ScalarStyle.SingleQuoted or ScalarStyle.DoubleQuoted)
        {
            throw Error(scalar, "the quote is not closed in its line; use '|' for text of several lines");
        }
    }
}
