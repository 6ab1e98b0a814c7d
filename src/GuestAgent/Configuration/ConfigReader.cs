using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>
/// Reads the <c>key = value</c> file. Empty lines and lines that start with # are skipped; a value may stand in double
/// quotes. All errors of a file are reported together, each with file, line, key and what is allowed.
/// </summary>
internal static class ConfigReader
{
    private const int MaxFileBytes = 64 * 1024;
    private const int MaxReportedErrors = 10;
    private const int MaxQuotedText = 80;

    /// <summary>The configuration that holds: defaults, then the file, then flags.</summary>
    /// <param name="file">A file that must exist, or null for the default file, which may be missing.</param>
    /// <param name="overrides">Key and value of each flag that stands for a key.</param>
    /// <exception cref="ChannelException">Code 600; the message has one line per error.</exception>
    public static AgentConfig Load(string? file, IEnumerable<KeyValuePair<string, string>> overrides)
    {
        var config = new AgentConfig();
        string path = file ?? AgentConfig.DefaultFile;
        if (file is not null || File.Exists(path))
        {
            config = Parse(ReadFile(path), path, config) with { SourceFile = path };
        }
        foreach ((string name, string value) in overrides)
        {
            config = ApplyFlag(config, name, value);
        }
        return config;
    }

    /// <summary>Applies a file's text to a configuration.</summary>
    /// <param name="text">The whole file.</param>
    /// <param name="fileName">For the messages.</param>
    /// <param name="config">What holds for keys that the file does not have.</param>
    /// <exception cref="ChannelException">Code 600; the message has one line per error.</exception>
    public static AgentConfig Parse(string text, string fileName, AgentConfig config)
    {
        var errors = new List<string>();
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        int lineNumber = 0;
        foreach (ReadOnlySpan<char> rawLine in text.AsSpan().EnumerateLines())
        {
            lineNumber++;
            ReadOnlySpan<char> line = rawLine.Trim();
            if (line.IsEmpty || line[0] == '#')
            {
                continue;
            }
            if (ParseLine(line, lineNumber, seen, ref config) is { } error)
            {
                errors.Add($"{fileName}:{lineNumber}: {error}");
            }
            if (errors.Count == MaxReportedErrors)
            {
                errors.Add($"{fileName}: more lines were not looked at");
                break;
            }
        }
        return errors.Count == 0 ? config : throw Error(string.Join('\n', errors));
    }

    private static string? ParseLine(ReadOnlySpan<char> line, int lineNumber, Dictionary<string, int> seen, ref AgentConfig config)
    {
        int equals = line.IndexOf('=');
        if (equals <= 0)
        {
            return $"'{Quote(line)}' is not a setting; write key = value, or start the line with # for a comment";
        }
        string name = line[..equals].TrimEnd().ToString();
        if (ConfigKeys.Find(name) is not { } key)
        {
            string hint = NearestName.Of(name, ConfigKeys.All.Select(static k => k.Name)) is { } near
                ? $"did you mean '{near}'?"
                : $"allowed are {string.Join(", ", ConfigKeys.All.Select(static k => k.Name))}";
            return $"unknown key '{Quote(name)}'; {hint}";
        }
        if (!seen.TryAdd(name, lineNumber))
        {
            return $"{name}: already set in line {seen[name]}; keep one of the two";
        }
        ReadOnlySpan<char> value = line[(equals + 1)..].TrimStart();
        if (value.Length >= 2 && value[0] == '"' && value[^1] == '"')
        {
            value = value[1..^1];
        }
        return Apply(key, value.ToString(), ref config);
    }

    private static AgentConfig ApplyFlag(AgentConfig config, string name, string value)
    {
        ConfigKey key = ConfigKeys.Find(name) ?? throw new ArgumentException($"no key {name}", nameof(name));
        return Apply(key, value, ref config) is { } error ? throw Error($"--{name.Replace('_', '-')}: {error}") : config;
    }

    private static string? Apply(ConfigKey key, string value, ref AgentConfig config)
    {
        try
        {
            if (!value.Any(char.IsControl) && key.Apply(config, value) is { } changed)
            {
                config = changed;
                return null;
            }
        }
        catch (ChannelException e)
        {
            return $"{key.Name}: {e.Message}";
        }
        string comment = value.Contains(" #", StringComparison.Ordinal) ? "; a comment must stand on a line of its own" : "";
        return $"{key.Name}: '{Quote(value)}' is not allowed; allowed is {key.Allowed}{comment}";
    }

    /// <summary>A file's text; at most 64 KiB.</summary>
    /// <exception cref="ChannelException">Code 600: it cannot be read or is too long.</exception>
    public static string ReadFile(string path)
    {
        int errno = SmallFile.TryRead(path, MaxFileBytes + 1, out ReadOnlySpan<byte> bytes);
        if (errno == 0)
        {
            return bytes.Length <= MaxFileBytes
                ? System.Text.Encoding.UTF8.GetString(bytes)
                : throw Error($"{path}: longer than {MaxFileBytes} bytes; this is not a configuration file of the agent");
        }
        throw Error(errno switch
        {
            Errno.ENOENT or Errno.ENOTDIR => $"{path}: no such file; make it, or leave --config out to use the defaults",
            Errno.EACCES or Errno.EPERM => $"{path}: this user may not read it",
            _ => $"{path}: cannot be read: {Errno.Describe(errno)}",
        });
    }

    private static string Quote(ReadOnlySpan<char> text) => LogText.Escape(text, MaxQuotedText);

    private static ChannelException Error(string message) => new(ChannelError.BadConfiguration, ErrorClass.Refused, message);
}
