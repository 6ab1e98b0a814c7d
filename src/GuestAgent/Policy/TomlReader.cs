using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Logging;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Reads the part of TOML 1.0 that the policy is written in: comments, <c>[table]</c>, <c>[[table]]</c>, bare keys, and
/// values that are one-line strings or lists of them. What TOML allows beyond it is refused, never guessed at.
/// </summary>
/// <param name="text">The whole file; its size is the caller's to bound.</param>
internal sealed class TomlReader(string text)
{
    internal const int MaxEntries = 1000;
    internal const int MaxItems = 200;
    internal const int MaxString = 4096;

    private readonly List<TomlEntry> _entries = [];
    private int _at;
    private int _line = 1;
    private string _table = "";
    private bool _isArrayTable;

    /// <summary>All entries in their order.</summary>
    /// <exception cref="TomlException">The first thing that cannot be understood, with its line.</exception>
    public static IReadOnlyList<TomlEntry> Read(string text)
    {
        var reader = new TomlReader(text);
        while (reader.SkipToContent())
        {
            if (reader._entries.Count == MaxEntries)
            {
                throw reader.Error($"more than {MaxEntries} settings");
            }
            reader._entries.Add(reader.Peek == '[' ? reader.ReadHead() : reader.ReadPair());
            reader.EndLine();
        }
        return reader._entries;
    }

    private char Peek => _at < text.Length ? text[_at] : '\0';

    private TomlEntry ReadHead()
    {
        _isArrayTable = text.AsSpan(_at).StartsWith("[[", StringComparison.Ordinal);
        string close = _isArrayTable ? "]]" : "]";
        _at += close.Length;
        _table = ReadName("a table is named [name] or [[name]]");
        if (!text.AsSpan(_at).StartsWith(close, StringComparison.Ordinal))
        {
            throw Error($"the head of table '{_table}' does not end with {close}");
        }
        _at += close.Length;
        return new TomlEntry(_table, _isArrayTable, "", null, _line);
    }

    private TomlEntry ReadPair()
    {
        int line = _line;
        string key = ReadName("a setting is written key = value, a table [name]");
        SkipBlanks();
        if (Peek != '=')
        {
            throw Error($"there is no = behind '{key}'");
        }
        _at++;
        SkipBlanks();
        object value = Peek == '[' ? ReadList() : ReadString();
        return new TomlEntry(_table, _isArrayTable, key, value, line);
    }

    private string ReadName(string rule)
    {
        SkipBlanks();
        int start = _at;
        while (char.IsAsciiLetterOrDigit(Peek) || Peek is '_' or '-' or '.')
        {
            _at++;
        }
        if (_at == start || _at - start > 80)
        {
            throw Error($"{rule}; names have 1 to 80 letters, digits, _ and -");
        }
        string name = text[start.._at];
        SkipBlanks();
        return name;
    }

    private string[] ReadList()
    {
        var items = new List<string>();
        _at++;
        while (SkipToContent() && Peek != ']')
        {
            if (items.Count == MaxItems)
            {
                throw Error($"a list has more than {MaxItems} items");
            }
            items.Add(ReadString());
            SkipToContent();
            if (Peek == ',')
            {
                _at++;
            }
            else if (Peek != ']' && _at < text.Length)
            {
                throw Error("between two items of a list there must be a comma, behind the last one a ]");
            }
        }
        if (Peek != ']')
        {
            throw Error("a list has no end; it ends with ]");
        }
        _at++;
        return [.. items];
    }

    private string ReadString()
    {
        char quote = Peek;
        if (quote is not ('"' or '\''))
        {
            throw Error("a value is a text in quotes, or a list of such in [ ]");
        }
        _at++;
        var result = new StringBuilder();
        while (Peek != quote)
        {
            char c = Peek;
            if (_at >= text.Length || char.IsControl(c))
            {
                throw Error("a text in quotes has no end in its line, or a control character");
            }
            if (result.Length == MaxString)
            {
                throw Error($"a text has more than {MaxString} characters");
            }
            _at++;
            result.Append(c == '\\' && quote == '"' ? ReadEscape() : c);
        }
        _at++;
        return result.ToString();
    }

    private char ReadEscape()
    {
        char c = Peek;
        _at++;
        switch (c)
        {
            case '"' or '\\':
                return c;
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'u' when _at + 4 <= text.Length && ushort.TryParse(
                text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort code):
                _at += 4;
                return (char)code;
            default:
                throw Error($"\\{LogText.Escape([c], 8)} is no escape; known are \\\" \\\\ \\t \\n \\uXXXX, and single quotes take everything as it is");
        }
    }

    private void EndLine()
    {
        SkipBlanks();
        if (Peek is not ('\n' or '\r' or '#') && _at < text.Length)
        {
            throw Error($"'{LogText.Escape([Peek], 8)}' behind the end of a value or a table's head");
        }
    }

    private void SkipBlanks()
    {
        while (Peek is ' ' or '\t')
        {
            _at++;
        }
    }

    /// <summary>Over blanks, line ends and comments; false at the end of the file.</summary>
    private bool SkipToContent()
    {
        while (_at < text.Length)
        {
            switch (text[_at])
            {
                case '\n':
                    _line++;
                    _at++;
                    break;
                case ' ' or '\t' or '\r':
                    _at++;
                    break;
                case '#':
                    int end = text.IndexOf('\n', _at);
                    _at = end < 0 ? text.Length : end;
                    break;
                default:
                    return true;
            }
        }
        return false;
    }

    private TomlException Error(string message) => new(_line, message);
}

/// <summary>A text that is not of <see cref="TomlReader"/>'s language.</summary>
internal sealed class TomlException(int line, string message) : Exception(message)
{
    /// <summary>Where, from 1.</summary>
    public int Line => line;
}
