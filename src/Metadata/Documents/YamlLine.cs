using ChannelSdk.Protocol;

namespace ChannelSdk.Metadata.Documents;

/// <summary>One line of a YAML text.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Indent">Spaces before the content.</param>
/// <param name="Content">Without indentation and spaces at the end.</param>
/// <param name="Raw">The whole line, for text blocks.</param>
internal sealed record YamlLine(int Number, int Indent, string Content, string Raw)
{
    public bool IsEmpty => Content.Length == 0 || Content[0] == '#';

    public bool IsItem => Content == "-" || Content.StartsWith("- ", StringComparison.Ordinal);

    public ChannelException Error(string text) => DocumentError.At($"line {Number}", text);

    /// <summary>The lines of the one document of a text.</summary>
    public static List<YamlLine> Split(string text)
    {
        var lines = new List<YamlLine>();
        var hasBegun = false;
        foreach (var raw in text.Split('\n').Select(l => l.EndsWith('\r') ? l[..^1] : l))
        {
            var number = lines.Count + 1;
            var indent = raw.Length - raw.TrimStart(' ').Length;
            var line = new YamlLine(number, indent, raw[indent..].TrimEnd(' ', '\t'), raw);
            var isMark = raw.StartsWith("---", StringComparison.Ordinal) && (raw.Length == 3 || raw[3] is ' ' or '\t');
            if (raw.StartsWith("...", StringComparison.Ordinal) && line.Content.Length == 3)
            {
                break;
            }

            if (isMark && (hasBegun || line.Content.Length > 3))
            {
                throw line.Error("a file holds one document; remove this line and what it separates");
            }

            if (raw.StartsWith('%') && !hasBegun)
            {
                throw line.Error("directives are not supported; remove the line");
            }

            hasBegun |= isMark || !line.IsEmpty;
            lines.Add(isMark ? line with { Content = "" } : line);
        }

        // What text.Split makes of the final line end is no line.
        if (lines.Count > 0 && lines[^1].Raw.Length == 0)
        {
            lines.RemoveAt(lines.Count - 1);
        }

        return lines;
    }
}
