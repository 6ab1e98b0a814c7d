using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>Text after | (as it is) or > (folded), YAML 1.2 section 8.1.</summary>
internal static class YamlBlockScalar
{
    public static JsonNode Read(List<YamlLine> lines, ref int next, string header, int parentIndent)
    {
        var head = lines[next++];
        var comment = header.IndexOf(" #", StringComparison.Ordinal);
        var marks = (comment < 0 ? header : header[..comment]).TrimEnd(' ')[1..];
        var keep = marks.Contains('+', StringComparison.Ordinal);
        var strip = marks.Contains('-', StringComparison.Ordinal);
        var digit = marks.FirstOrDefault(c => c is >= '1' and <= '9');
        if (marks.Length > (keep || strip ? 1 : 0) + (digit != 0 ? 1 : 0))
        {
            throw head.Error("after '|' or '>' come only '-' or '+' and an indentation of 1 to 9");
        }

        var indent = digit != 0 ? Math.Max(parentIndent, 0) + digit - '0' : IndentOf(lines, next, parentIndent);
        var content = new List<string>();
        for (; next < lines.Count; next++)
        {
            var raw = lines[next].Raw;
            var isBlank = raw.AsSpan().Trim(' ').IsEmpty;
            if (!isBlank && raw.Length - raw.TrimStart(' ').Length < indent)
            {
                break;
            }

            content.Add(raw.Length > indent ? raw[indent..] : "");
        }

        var trailing = content.Count;
        while (trailing > 0 && content[trailing - 1].Length == 0)
        {
            trailing--;
        }

        var body = content.GetRange(0, trailing);
        var text = header[0] == '|' ? string.Join('\n', body) : Fold(body);
        var end = strip ? "" : keep ? new string('\n', content.Count - trailing + (trailing > 0 ? 1 : 0)) : trailing > 0 ? "\n" : "";
        return JsonValue.Create(text + end);
    }

    private static int IndentOf(List<YamlLine> lines, int from, int parentIndent)
    {
        var first = lines.Skip(from).FirstOrDefault(l => !l.Raw.AsSpan().Trim(' ').IsEmpty);
        return first is not null && first.Raw.Length - first.Raw.TrimStart(' ').Length is var indent && indent > parentIndent ? indent : parentIndent + 1;
    }

    // Lines are joined by a space; an empty line is a line end; lines that are indented further stay as they are.
    private static string Fold(List<string> lines)
    {
        var result = new StringBuilder();
        for (var i = 0; i < lines.Count; i++)
        {
            result.Append(lines[i]);
            if (i + 1 == lines.Count)
            {
                break;
            }

            var empty = 0;
            while (i + 1 + empty < lines.Count && lines[i + 1 + empty].Length == 0)
            {
                empty++;
            }

            var isIndented = lines[i].StartsWith(' ') || lines[i + 1 + empty].StartsWith(' ');
            result.Append(empty == 0 ? (isIndented ? "\n" : " ") : new string('\n', isIndented ? empty + 1 : empty));
            i += empty;
        }

        return result.ToString();
    }
}
