using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>
/// Reads the agent's file: its settings and the image's policy. All mistakes are told together, each with file, line, key and
/// what is allowed.
/// </summary>
internal static class ConfigReader
{
    // They are not read, so the policy of an image that still has one would not hold.
    private static readonly string[] s_oldFiles = ["agent.conf", "policy.toml"];

    /// <summary>The configuration that holds: defaults, then the file, then flags.</summary>
    /// <param name="file">A file that must exist, or null for the default file, which may be missing.</param>
    /// <param name="overrides">Table and key, with an underscore between them, and value of each flag that stands for a key.</param>
    /// <param name="names">What lists in the file may name; null: names are not checked.</param>
    /// <param name="defaultFile">The default file.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the message has one line per error.</exception>
    public static AgentConfig Load(
        string? file, IEnumerable<KeyValuePair<string, string>> overrides, AgentNames? names, string defaultFile = AgentConfig.DefaultFile)
    {
        var config = new AgentConfig();
        var path = file ?? defaultFile;
        var errno = SmallFile.TryRead(path, TomlReader.MaxBytes + 1, out var bytes);
        if (errno == 0)
        {
            config = Parse(bytes, path, config, names) with { SourceFile = path };
        }
        else if (file is not null || errno is not (Errno.ENOENT or Errno.ENOTDIR))
        {
            throw Error(errno switch
            {
                Errno.ENOENT or Errno.ENOTDIR => $"{path}: no such file; make it, or leave --config out to use the defaults",
                Errno.EACCES or Errno.EPERM => $"{path}: this user may not read it",
                _ => $"{path}: cannot be read: {Errno.Describe(errno)}",
            });
        }
        else
        {
            RefuseOldFiles(path);
        }

        IReadOnlyList<TomlTable<AgentConfig>>? tables = null;
        foreach (var (name, value) in overrides)
        {
            tables ??= ConfigKeys.All(null).Tables;
            config = ApplyFlag(tables, config, name, value);
        }

        return config;
    }

    /// <summary>Applies a file's bytes to a configuration.</summary>
    /// <param name="utf8">The whole file.</param>
    /// <param name="fileName">For the messages.</param>
    /// <param name="config">What holds for keys that the file does not have.</param>
    /// <param name="names">What lists in the file may name; null: names are not checked.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the message has one line per error.</exception>
    public static AgentConfig Parse(ReadOnlySpan<byte> utf8, string fileName, AgentConfig config, AgentNames? names) =>
        ConfigKeys.All(names).Read(utf8, fileName, config);

    private static void RefuseOldFiles(string path)
    {
        var folder = Path.GetDirectoryName(path);
        string[] old = [.. s_oldFiles.Select(name => $"{folder}/{name}").Where(File.Exists)];
        if (old.Length > 0)
        {
            throw Error($"{string.Join(" and ", old)}: settings and policy are read from {path}, which is missing; write them there as TOML and remove the old file");
        }
    }

    private static AgentConfig ApplyFlag(IReadOnlyList<TomlTable<AgentConfig>> tables, AgentConfig config, string name, string value)
    {
        foreach (var table in tables)
        {
            foreach (var key in table.Keys)
            {
                if (name == (table.Name.Length == 0 ? key.Name : $"{table.Name}_{key.Name}"))
                {
                    return table.TryApply(key, value, ref config) is { } error ? throw Error($"--{name.Replace('_', '-')}: {error}") : config;
                }
            }
        }

        throw new ArgumentException($"no key {name}", nameof(name));
    }

    private static ChannelException Error(string message) => new(ChannelError.BadConfiguration, ErrorClass.Refused, message);
}
