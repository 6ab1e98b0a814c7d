using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace ChannelSdk.Metadata.Documents;

/// <summary>Plain and quoted values within one line.</summary>
internal static class YamlScalar
{
    /// <summary>The value that fills the text but for a comment.</summary>
    public static JsonNode? Read(string text, YamlLine line)
    {
        if (text[0] is '"' or '\'')
        {
            var value = ReadQuoted(text, line, out var end);
            var rest = text[end..].TrimStart(' ');
            if (rest.Length > 0 && (rest[0] != '#' || rest.Length == text.Length - end))
            {
                throw line.Error("there is more after the closing quote");
            }

            return JsonValue.Create(value);
        }

        var comment = text.IndexOf(" #", StringComparison.Ordinal);
        var plain = (comment < 0 ? text : text[..comment]).TrimEnd(' ');
        if (plain.Contains(": ", StringComparison.Ordinal) || plain.EndsWith(':'))
        {
            throw line.Error("a colon within plain text begins a key; put the text in quotes");
        }

        return Resolve(plain, line);
    }

    /// <summary>What a plain word means in the core schema (YAML 1.2, section 10.3.2).</summary>
    public static JsonNode? Resolve(string plain, YamlLine line)
    {
        ThrowIfReserved(plain, line);
        switch (plain)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "true" or "True" or "TRUE":
                return JsonValue.Create(true);
            case "false" or "False" or "FALSE":
                return JsonValue.Create(false);
        }

        return YamlNumber.TryRead(plain, line, out var number) ? number : JsonValue.Create(plain);
    }

    /// <summary>Refuses what would mean something else in full YAML.</summary>
    public static void ThrowIfReserved(string plain, YamlLine line)
    {
        if (plain.Length > 0 && plain[0] is '&' or '*' or '!' or '%' or '@' or '`' or '\t')
        {
            throw line.Error(plain[0] switch
            {
                '&' or '*' => "anchors and aliases are not supported; write the value again, or put it in quotes if it begins with that sign",
                '!' => "tags are not supported; put the value in quotes if it begins with '!'",
                '\t' => "a tab cannot separate YAML; use spaces",
                _ => $"a plain value cannot begin with '{plain[0]}'; put it in quotes",
            });
        }
    }

    /// <summary>Quoted text at the beginning of a text, and where what follows it begins.</summary>
    public static string ReadQuoted(string text, YamlLine line, out int end)
    {
        var result = new StringBuilder();
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] != text[0])
            {
                result.Append(text[0] == '"' && text[i] == '\\' ? Unescape(text, ref i, line) : text[i].ToString());
            }
            else if (text[0] == '\'' && i + 1 < text.Length && text[i + 1] == '\'')
            {
                result.Append('\'');
                i++;
            }
            else
            {
                end = i + 1;
                return result.ToString();
            }
        }

        throw line.Error("the quote is not closed in its line; use '|' for text of several lines");
    }

    private static string Unescape(string text, ref int i, YamlLine line)
    {
        i++;
        var digits = i >= text.Length ? 0 : text[i] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (i + digits < text.Length && uint.TryParse(text.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
                && Rune.IsValid(code))
            {
                i += digits;
                return new Rune(code).ToString();
            }

            throw line.Error($"'\\{text[i]}' wants {digits} hexadecimal digits of a Unicode character");
        }

        return (i < text.Length ? text[i] : '\0') switch
        {
            '0' => "\0", 'a' => "\a", 'b' => "\b", 't' or '\t' => "\t", 'n' => "\n", 'v' => "\v", 'f' => "\f", 'r' => "\r", 'e' => "\u001b",
            ' ' => " ", '"' => "\"", '/' => "/", '\\' => "\\", 'N' => "\u0085", '_' => "\u00a0", 'L' => "\u2028", 'P' => "\u2029",
            _ => throw line.Error("an unknown escape in double quotes; a backslash itself is written '\\\\', or use single quotes"),
        };
    }
}
