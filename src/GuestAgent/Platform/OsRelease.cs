using System.Text;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Platform;

/// <summary>What os-release(5) says of the distribution. Missing fields are empty.</summary>
internal readonly record struct OsRelease(string Id, string VersionId, string PrettyName)
{
    private const int MaxValue = 256;

    /// <summary>What /etc/os-release says, or /usr/lib/os-release where that is missing.</summary>
    public static OsRelease Load() => Parse(ReadFile());

    /// <summary>The text of /etc/os-release, or /usr/lib/os-release where that is missing.</summary>
    public static string ReadFile()
    {
        var text = SmallFile.Read("/etc/os-release");
        return text.Length > 0 ? text : SmallFile.Read("/usr/lib/os-release");
    }

    /// <summary>Takes the three fields out of a file's text.</summary>
    public static OsRelease Parse(string text) => new(Value(text, "ID"), Value(text, "VERSION_ID"), Value(text, "PRETTY_NAME"));

    /// <summary>
    /// A field's value, or an empty text. Shell-compatible assignments, one a line; the last one of a name holds. Lines
    /// that are malformed are skipped, as os-release(5) asks of readers.
    /// </summary>
    public static string Value(string text, string name)
    {
        var value = "";
        foreach (var rawLine in text.AsSpan().EnumerateLines())
        {
            var line = rawLine.Trim();
            var equals = line.IndexOf('=');
            if (equals > 0 && line[..equals].SequenceEqual(name))
            {
                value = Unquote(line[(equals + 1)..]);
            }
        }

        return value;
    }

    // Shell rules: nothing is special between single quotes; between double quotes a backslash escapes only
    // " $ ` and itself; outside of quotes it escapes anything and white space ends the value.
    private static string Unquote(ReadOnlySpan<char> value)
    {
        var result = new StringBuilder();
        var quote = '\0';
        for (var i = 0; i < value.Length && result.Length < MaxValue; i++)
        {
            var c = value[i];
            if (quote == '\0' && char.IsWhiteSpace(c))
            {
                break;
            }

            if (c is '"' or '\'' && (quote == '\0' || quote == c))
            {
                quote = quote == '\0' ? c : '\0';
            }
            else if (c == '\\' && quote != '\'' && i + 1 < value.Length
                && (quote == '\0' || value[i + 1] is '"' or '$' or '`' or '\\'))
            {
                result.Append(value[++i]);
            }
            else
            {
                result.Append(c);
            }
        }

        return result.ToString();
    }
}
