using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Protocol.Toml;

/// <summary>
/// The tables and keys of a kind of file, and what becomes of one. All mistakes in a file are told together, each in a line
/// with file, line, key and what is allowed.
/// </summary>
/// <typeparam name="T">The settings that are made of a file.</typeparam>
/// <param name="tables">The tables that it may have.</param>
public sealed class TomlSettings<T>(IReadOnlyList<TomlTable<T>> tables)
    where T : class
{
    private const int MaxReportedErrors = 10;
    private const int MaxQuotedText = 80;

    /// <summary>The tables that a file may have.</summary>
    public IReadOnlyList<TomlTable<T>> Tables => tables;

    /// <summary>The settings of a file.</summary>
    /// <param name="untrustedUtf8">The whole file, at most <see cref="TomlReader.MaxBytes"/>.</param>
    /// <param name="fileName">For the messages.</param>
    /// <param name="settings">What holds for keys that the file does not have.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the message has one line for each mistake, ten at most.</exception>
    public T Read(ReadOnlySpan<byte> untrustedUtf8, string fileName, T settings)
    {
        IReadOnlyList<TomlEntry> entries;
        try
        {
            entries = TomlReader.Read(untrustedUtf8);
        }
        catch (TomlException e)
        {
            throw Error($"{fileName}:{e.Line}: {e.Message}");
        }

        var pass = new Pass(this, fileName, settings);
        foreach (var entry in entries)
        {
            pass.Read(entry);
        }

        pass.EndTable();
        return pass.Errors.Count == 0 ? pass.Settings : throw Error(string.Join('\n', pass.Errors.GetRange(0, Math.Min(pass.Errors.Count, MaxReportedErrors)))
            + (pass.Errors.Count > MaxReportedErrors ? $"\n{fileName}: {pass.Errors.Count - MaxReportedErrors} more mistakes" : ""));
    }

    private static ChannelException Error(string message) => new(ChannelError.BadConfiguration, ErrorClass.Refused, message);

    private TomlTable<T>? Find(string name)
    {
        foreach (var table in tables)
        {
            if (table.Name == name)
            {
                return table;
            }
        }

        return null;
    }

    private string UnknownTable(string name) => $"unknown table '{SafeText.Escape(name, MaxQuotedText)}'; {Hint(name, tables.Where(static t => t.Name.Length > 0).Select(static t => t.Name))}";

    private string UnknownKey(TomlTable<T> table, string name)
    {
        var where = table.Name.Length == 0 ? "" : $" in {table.Head}";
        return $"unknown key '{SafeText.Escape(name, MaxQuotedText)}'{where}; {(NearestName.Of(name, table.Keys.Select(static k => k.Name)) is { } near
            ? $"did you mean '{near}'?" : Elsewhere(name) ?? Hint(name, table.Keys.Select(static k => k.Name)))}";
    }

    /// <summary>A key of another table that may be meant: it has that name, or one of the kind "table_key".</summary>
    private string? Elsewhere(string name)
    {
        var known = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var table in tables.Where(static t => t.Name.Length > 0))
        {
            foreach (var key in table.Keys)
            {
                known.TryAdd($"{table.Name}_{key.Name}", table.Show(key.Name));
                known.TryAdd(key.Name, table.Show(key.Name));
            }
        }

        var meant = known.ContainsKey(name) ? name : NearestName.Of(name, known.Keys);
        return meant is null ? null : $"did you mean {known[meant]}?";
    }

    private static string Hint(string typed, IEnumerable<string> known) => NearestName.Of(typed, known) is { } near
        ? $"did you mean '{near}'?" : $"known are {string.Join(", ", known)}";

    /// <summary>One way through a file.</summary>
    private sealed class Pass(TomlSettings<T> kind, string fileName, T settings)
    {
        private readonly Dictionary<string, int> _seen = new(StringComparer.Ordinal);
        private TomlTable<T>? _table = kind.Find("");
        private T _settings = settings;
        private int _headLine = 1;
        private int _errorsBefore;

        public T Settings => _settings;

        public List<string> Errors { get; } = [];

        public void Read(TomlEntry entry)
        {
            var error = entry.Key.Length == 0 ? ReadHead(entry) : ReadPair(entry);
            if (error is not null)
            {
                Errors.Add($"{fileName}:{entry.Line}: {error}");
            }
        }

        /// <summary>Looks at the table that was read; one with a mistake in it was told already.</summary>
        public void EndTable()
        {
            if (_table is { } table && Errors.Count == _errorsBefore && table.Lacks(_settings) is { } lack)
            {
                Errors.Add($"{fileName}:{_headLine}: {table.Head}: {lack}");
            }
        }

        private string? ReadHead(TomlEntry head)
        {
            EndTable();
            (_table, _headLine, _errorsBefore) = (null, head.Line, Errors.Count);
            if (kind.Find(head.Table) is not { } table)
            {
                return kind.UnknownTable(head.Table);
            }

            if (head.IsArrayTable != table.IsRepeated)
            {
                return table.IsRepeated ? $"write {table.Head} with two brackets, once for each" : $"write {table.Head} with one bracket";
            }

            if (!table.IsRepeated && !_seen.TryAdd(table.Head, head.Line))
            {
                return $"{table.Head}: already in line {_seen[table.Head]}; keep one of the two";
            }

            _table = table;
            _settings = table.Begin?.Invoke(_settings) ?? _settings;
            return null;
        }

        private string? ReadPair(TomlEntry pair)
        {
            // What stands below a head that was refused was told with it.
            if (_table is not { } table)
            {
                return pair.Table.Length > 0 ? null : $"'{SafeText.Escape(pair.Key, MaxQuotedText)}' stands before the first table; {kind.Elsewhere(pair.Key) ?? "begin one of its tables first"}";
            }

            if (table.Find(pair.Key) is not { } key)
            {
                return kind.UnknownKey(table, pair.Key);
            }

            var name = table.IsRepeated ? $"{_headLine} {pair.Key}" : table.Show(pair.Key);
            return _seen.TryAdd(name, pair.Line)
                ? table.TryApply(key, pair.Value!, ref _settings)
                : $"{table.Show(pair.Key)}: already set in line {_seen[name]}; keep one of the two{(table.IsRepeated ? $", or begin one more {table.Head}" : "")}";
        }
    }
}
