using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Toml;

/// <summary>
/// Reads the part of TOML 1.0 that settings and policies are written in: comments, <c>[table]</c>, <c>[[table]]</c>, bare keys,
/// and values that are one-line texts, lists of them, whole numbers, <c>true</c> or <c>false</c>. What TOML allows beyond it is
/// refused, never guessed at.
/// </summary>
public sealed class TomlReader
{
    /// <summary>The longest file, in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    internal const int MaxEntries = 1000;
    internal const int MaxItems = 200;
    internal const int MaxString = 4096;
    private const int MaxName = 80;
    private const int MaxQuotedText = 40;

    // More than any setting needs, and far from where a long ends.
    private const int MaxDigits = 15;

    private readonly List<TomlEntry> _entries = [];
    private readonly string _text;
    private int _at;
    private int _line = 1;
    private string _table = "";
    private bool _isArrayTable;

    private TomlReader(string text) => _text = text;

    private char Peek => _at < _text.Length ? _text[_at] : '\0';

    /// <summary>All entries of a file in their order; at most 1000.</summary>
    /// <param name="untrustedUtf8">The whole file, at most <see cref="MaxBytes"/>.</param>
    /// <exception cref="TomlException">The first thing that cannot be understood, with its line.</exception>
    public static IReadOnlyList<TomlEntry> Read(ReadOnlySpan<byte> untrustedUtf8)
    {
        var reader = new TomlReader(Decode(untrustedUtf8));
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

    private static string Decode(ReadOnlySpan<byte> untrustedUtf8)
    {
        if (untrustedUtf8.Length > MaxBytes)
        {
            throw new TomlException(1, $"the file is longer than {MaxBytes} bytes, so it is no file of settings");
        }

        var text = new char[untrustedUtf8.Length];
        return Utf8.ToUtf16(untrustedUtf8, text, out var read, out var written, replaceInvalidSequences: false) == OperationStatus.Done
            ? new string(text, 0, written)
            : throw new TomlException(untrustedUtf8[..read].Count((byte)'\n') + 1, "a character is not UTF-8; save the file as UTF-8");
    }

    private TomlEntry ReadHead()
    {
        _isArrayTable = _text.AsSpan(_at).StartsWith("[[", StringComparison.Ordinal);
        var close = _isArrayTable ? "]]" : "]";
        _at += close.Length;
        _table = ReadName("a table is named [name] or [[name]]");
        if (!_text.AsSpan(_at).StartsWith(close, StringComparison.Ordinal))
        {
            throw Error($"the head of table '{_table}' does not end with {close}");
        }

        _at += close.Length;
        return new TomlEntry(_table, _isArrayTable, "", null, _line);
    }

    private TomlEntry ReadPair()
    {
        var line = _line;
        var key = ReadName("a setting is written key = value, a table [name]");
        if (Peek != '=')
        {
            throw Error($"there is no = behind '{key}'");
        }

        _at++;
        SkipBlanks();
        var value = Peek switch
        {
            '[' => ReadList(),
            '"' or '\'' => ReadString(),
            _ => ReadBareValue(),
        };
        return new TomlEntry(_table, _isArrayTable, key, value, line);
    }

    private string ReadName(string rule)
    {
        SkipBlanks();
        var start = _at;
        while (char.IsAsciiLetterOrDigit(Peek) || Peek is '_' or '-' or '.')
        {
            _at++;
        }

        if (_at == start || _at - start > MaxName)
        {
            throw Error($"{rule}; names have 1 to {MaxName} letters, digits, _ and -");
        }

        var name = _text[start.._at];
        SkipBlanks();
        return name;
    }

    /// <summary>A value without quotes. A text that should have them is told with them.</summary>
    private object ReadBareValue()
    {
        var rest = _text.AsSpan(_at);
        var length = rest.IndexOfAny(" \t\r\n#");
        var word = length < 0 ? rest : rest[..length];
        _at += word.Length;
        switch (word)
        {
            case "true":
                return true;
            case "false":
                return false;
        }

        if (word.Length <= MaxDigits && (word is "0" || !word.StartsWith('0'))
            && long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number;
        }

        throw Error(word.IsEmpty ? "there is no value behind ="
            : $"{SafeText.Escape(word, MaxQuotedText)} is no value: a text stands in quotes (\"...\"), a list in [ ], and there are true, false and whole numbers of up to {MaxDigits} digits");
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

            items.Add(Peek is '"' or '\'' ? ReadString() : throw Error("an item of a list is a text in quotes"));
            SkipToContent();
            if (Peek == ',')
            {
                _at++;
            }
            else if (Peek != ']' && _at < _text.Length)
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
        var quote = Peek;
        _at++;
        var result = new StringBuilder();
        while (Peek != quote)
        {
            var c = Peek;
            if (_at >= _text.Length || char.IsControl(c))
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
        var c = Peek;
        _at++;
        switch (c)
        {
            case '"' or '\\':
                return c;
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'u' when _at + 4 <= _text.Length && ushort.TryParse(
                _text.AsSpan(_at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && !char.IsSurrogate((char)code):
                _at += 4;
                return (char)code;
            default:
                throw Error($"\\{SafeText.Escape([c], 8)} is no escape; known are \\\" \\\\ \\t \\n \\uXXXX, and single quotes take everything as it is");
        }
    }

    private void EndLine()
    {
        SkipBlanks();
        if (Peek is not ('\n' or '\r' or '#') && _at < _text.Length)
        {
            throw Error($"'{SafeText.Escape([Peek], 8)}' behind the end of a value or a table's head");
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
        while (_at < _text.Length)
        {
            switch (_text[_at])
            {
                case '\n':
                    _line++;
                    _at++;
                    break;
                case ' ' or '\t' or '\r':
                    _at++;
                    break;
                case '#':
                    var end = _text.IndexOf('\n', _at);
                    _at = end < 0 ? _text.Length : end;
                    break;
                default:
                    return true;
            }
        }

        return false;
    }

    private TomlException Error(string message) => new(_line, message);
}
