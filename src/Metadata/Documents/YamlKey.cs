namespace ChannelSdk.Metadata.Documents;

/// <summary>The key at the beginning of a line.</summary>
internal static class YamlKey
{
    /// <summary>Splits <c>key: value</c>; false if the line begins with no key.</summary>
    public static bool TrySplit(YamlLine line, out string key, out string value)
    {
        (key, value) = ("", "");
        var text = line.Content;
        if (text[0] == '\t')
        {
            throw line.Error("a tab cannot indent YAML; use spaces");
        }

        if (text == "?" || text.StartsWith("? ", StringComparison.Ordinal))
        {
            throw line.Error("complex keys ('? ') are not supported; write 'key: value'");
        }

        if (text[0] is '[' or '{' or '|' or '>')
        {
            return false;
        }

        int colon;
        if (text[0] is '"' or '\'')
        {
            key = YamlScalar.ReadQuoted(text, line, out var end);
            colon = end < text.Length && text[end] == ':' ? end : -1;
        }
        else
        {
            colon = ColonOf(text);
            key = colon < 0 ? "" : text[..colon].TrimEnd(' ');
        }

        if (colon < 0 || (colon + 1 < text.Length && text[colon + 1] is not (' ' or '\t')))
        {
            return false;
        }

        if (text[0] is not ('"' or '\''))
        {
            YamlScalar.ThrowIfReserved(key, line);
        }

        value = text[(colon + 1)..].TrimStart(' ', '\t');
        return true;
    }

    // The first colon that a space or the line's end follows, before any comment.
    private static int ColonOf(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == ':' && (i + 1 == text.Length || text[i + 1] is ' ' or '\t'))
            {
                return i;
            }

            if (text[i] == '#' && i > 0 && text[i - 1] == ' ')
            {
                return -1;
            }
        }

        return -1;
    }
}
