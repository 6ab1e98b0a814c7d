namespace ChannelSdk.Install.Mirror;

/// <summary>Paths of URLs, compared in the form that a server sees.</summary>
internal static class MirrorPath
{
    /// <summary>As often may a path be encoded over and over.</summary>
    private const int MaxDecodings = 4;

    /// <summary>
    /// Decodes a path. It fails for one that could lead elsewhere on some servers: with a segment of two dots, a backslash, a control
    /// character or bytes that are not UTF-8 in it, or a slash that was encoded, however often. A segment of one dot leads nowhere
    /// else, and is in the URLs that apt asks a flat repository for.
    /// </summary>
    /// <param name="untrustedPath">The path as it is written in the URL, of printable ASCII.</param>
    /// <param name="decoded">It, decoded once.</param>
    public static bool TryDecode(string untrustedPath, out string decoded)
    {
        decoded = Uri.UnescapeDataString(untrustedPath);
        if (!IsPlain(untrustedPath))
        {
            return false;
        }

        var slashes = untrustedPath.AsSpan().Count('/');
        var text = untrustedPath;
        for (var i = 0; i < MaxDecodings; i++)
        {
            var next = Uri.UnescapeDataString(text);
            if (next.Length == text.Length)
            {
                // What looks encoded still is no UTF-8; servers of old read a dot in such bytes.
                return !HasEncoded(text) && (i > 0 || !text.Contains('%', StringComparison.Ordinal));
            }

            if (!IsPlain(next) || next.AsSpan().Count('/') != slashes)
            {
                return false;
            }

            text = next;
        }

        return false;
    }

    private static bool IsPlain(string path)
    {
        if (path.Length == 0 || path[0] != '/' || path.Contains('\\', StringComparison.Ordinal) || path.Any(char.IsControl))
        {
            return false;
        }

        foreach (var segment in path.AsSpan().Split('/'))
        {
            // Some servers cut what is behind a semicolon before they look for dots.
            var name = path.AsSpan()[segment];
            var semicolon = name.IndexOf(';');
            if ((semicolon < 0 ? name : name[..semicolon]) is "..")
            {
                return false;
            }
        }

        return true;
    }

    private static bool HasEncoded(string text)
    {
        for (var at = text.IndexOf('%', StringComparison.Ordinal); at >= 0; at = text.IndexOf('%', at + 1))
        {
            if (at + 2 < text.Length && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2]))
            {
                return true;
            }
        }

        return false;
    }
}
