using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>Reads policy.toml. Errors are reported together, each with file, line and what is allowed.</summary>
internal static class PolicyReader
{
    private const int MaxReportedErrors = 10;
    private const int MaxQuotedText = 80;
    private static readonly Dictionary<string, string[]> s_keys = new(StringComparer.Ordinal)
    {
        ["services"] = ["allow", "deny"],
        ["files"] = ["read", "write"],
        ["exec"] = ["program", "arguments", "environment"],
    };

    /// <summary>The rules of a file, or the defaults if it is not there and need not be.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mustExist">Whether somebody named it.</param>
    /// <param name="methods">The methods that there are; a name in the file that is none of them is an error.</param>
    /// <exception cref="ChannelException">Code 600; the message has one line per error.</exception>
    public static PolicyRules Load(string path, bool mustExist, IReadOnlyCollection<string> methods) =>
        mustExist || File.Exists(path)
            ? Parse(ConfigReader.ReadFile(path), path, methods) with { SourceFile = path }
            : new PolicyRules();

    /// <summary>The rules of a file's text.</summary>
    /// <exception cref="ChannelException">Code 600; the message has one line per error.</exception>
    public static PolicyRules Parse(string text, string fileName, IReadOnlyCollection<string> methods)
    {
        IReadOnlyList<TomlEntry> entries;
        try
        {
            entries = TomlReader.Read(text);
        }
        catch (TomlException e)
        {
            throw Error($"{fileName}:{e.Line}: {e.Message}");
        }
        var errors = new List<string>();
        var rules = new PolicyRules();
        var commands = new List<(TomlEntry Head, List<TomlEntry> Pairs)>();
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (TomlEntry entry in entries)
        {
            string? error = CheckName(entry) ?? (entry.Table != "exec" && !seen.TryAdd($"{entry.Table} {entry.Key}", entry.Line)
                ? $"{(entry.Key.Length == 0 ? $"[{entry.Table}]" : entry.Key)}: already in line {seen[$"{entry.Table} {entry.Key}"]}; keep one of the two"
                : null);
            if (error is null && entry.Table == "exec")
            {
                AddToCommand(entry, commands);
            }
            else if (error is null && entry.Key.Length > 0)
            {
                error = Apply(entry, methods, ref rules);
            }
            Add(errors, fileName, entry.Line, error);
        }
        var finished = new List<CommandRule>();
        foreach ((TomlEntry head, List<TomlEntry> pairs) in commands)
        {
            Add(errors, fileName, head.Line, AddCommand(pairs, finished));
        }
        return errors.Count == 0
            ? rules with { Commands = finished }
            : throw Error(string.Join('\n', errors.Take(MaxReportedErrors)));
    }

    private static string? CheckName(TomlEntry entry)
    {
        if (entry.Table.Length == 0)
        {
            return $"'{Quote(entry.Key)}' stands before the first table; tables are [services], [files] and [[exec]]";
        }
        if (!s_keys.TryGetValue(entry.Table, out string[]? keys))
        {
            return $"unknown table '{Quote(entry.Table)}'; {Hint(entry.Table, s_keys.Keys)}";
        }
        bool several = entry.Table == "exec";
        if (entry.IsArrayTable != several)
        {
            return several ? "write [[exec]] with two brackets, once for each command" : $"write [{entry.Table}] with one bracket";
        }
        return entry.Key.Length == 0 || keys.Contains(entry.Key) ? null : $"unknown key '{Quote(entry.Key)}' in {entry.Table}; {Hint(entry.Key, keys)}";
    }

    private static void AddToCommand(TomlEntry entry, List<(TomlEntry Head, List<TomlEntry> Pairs)> commands)
    {
        if (entry.Key.Length == 0)
        {
            commands.Add((entry, []));
        }
        else
        {
            commands[^1].Pairs.Add(entry);
        }
    }

    private static string? Apply(TomlEntry entry, IReadOnlyCollection<string> methods, ref PolicyRules rules)
    {
        if (entry.Value is not string[] items)
        {
            return $"{entry.Key}: takes a list, for instance {entry.Key} = [{(entry.Table == "files" ? "\"/var/log\"" : "\"info.*\"")}]";
        }
        foreach (string item in items)
        {
            string? error = entry.Table == "files" ? CheckPath(item) : CheckMethod(item, methods);
            if (error is not null)
            {
                return $"{entry.Key}: {error}";
            }
        }
        rules = (entry.Table, entry.Key) switch
        {
            ("files", "read") => rules with { Readable = items },
            ("files", _) => rules with { Writable = items },
            (_, "allow") => rules with { AllowedMethods = items },
            _ => rules with { DeniedMethods = items },
        };
        return null;
    }

    private static string? CheckPath(string path) => PathPrefix.IsPlain(path)
        ? null : $"'{Quote(path)}' is not allowed; allowed is an absolute path without empty, . and .. parts and without a slash at its end";

    private static string? CheckMethod(string name, IReadOnlyCollection<string> methods)
    {
        bool known = name == "*" || methods.Contains(name) || (name.EndsWith(".*", StringComparison.Ordinal)
            && methods.Any(method => method.StartsWith(name[..^1], StringComparison.Ordinal)));
        return known ? null : $"there is no method '{Quote(name)}'; {Hint(name, [.. methods, .. new HashSet<string>(methods.Select(ServiceOf)), "*"])}";
    }

    private static string ServiceOf(string method) => method[..(method.IndexOf('.', StringComparison.Ordinal) + 1)] + "*";

    private static string? AddCommand(List<TomlEntry> pairs, List<CommandRule> commands)
    {
        if (new HashSet<string>(pairs.Select(pair => pair.Key)).Count != pairs.Count)
        {
            return "[[exec]]: a key stands there twice; begin each command with a [[exec]] of its own";
        }
        if (pairs.Find(pair => pair.Key == "program")?.Value is not string program
            || (program != "*" && (!PathPrefix.IsPlain(program) || program == "/")))
        {
            return "[[exec]]: needs program = \"/absolute/path\", or \"*\" for any program";
        }
        object arguments = pairs.Find(pair => pair.Key == "arguments")?.Value ?? Array.Empty<string>();
        if (arguments is not string[] patterns)
        {
            return "[[exec]]: arguments takes a list with a pattern for each argument; without it no argument is allowed";
        }
        if (Array.IndexOf(patterns, ArgumentPattern.Rest) is var rest and >= 0 && rest != patterns.Length - 1)
        {
            return $"[[exec]]: \"{ArgumentPattern.Rest}\" may only be the last item of arguments";
        }
        object environment = pairs.Find(pair => pair.Key == "environment")?.Value ?? Array.Empty<string>();
        if (environment is not string[] variables || !Array.TrueForAll(variables, EnvironmentPattern.IsPattern))
        {
            return "[[exec]]: environment takes a list of variables that the host may set, each a name, NAME_* or *; without it only LANG, LC_*, TZ and TERM";
        }
        commands.Add(new CommandRule(program, patterns, variables));
        return null;
    }

    private static void Add(List<string> errors, string fileName, int line, string? error)
    {
        if (error is not null)
        {
            errors.Add($"{fileName}:{line}: {error}");
        }
    }

    private static string Hint(string typed, IReadOnlyCollection<string> known) => NearestName.Of(typed, known) is { } near
        ? $"did you mean '{near}'?" : $"known are {string.Join(", ", known)}";

    private static string Quote(string text) => LogText.Escape(text, MaxQuotedText);

    private static ChannelException Error(string message) => new(ChannelError.BadConfiguration, ErrorClass.Refused, message);
}
