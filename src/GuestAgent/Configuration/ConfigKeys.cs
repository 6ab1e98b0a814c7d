using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Toml;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The tables of all keys. The file and the flags both go through them, so both say the same of a wrong value.</summary>
internal static class ConfigKeys
{
    // sun_path holds 108 bytes with its terminating zero (unix(7)).
    private const int MaxSocketPathBytes = 107;

    /// <summary>The tables of the file.</summary>
    /// <param name="names">What the lists in it may name; null: names are not checked.</param>
    public static TomlSettings<AgentConfig> All(AgentNames? names) => new(
    [
        new("",
        [
            Text("endpoint", "\"auto\", or a URI such as virtio-port://NAME, virtio-port:///dev/virtio-ports/NAME, vsock://2:PORT, vsock-listen://2:PORT, vchan-listen://0/NAME, tcp://169.254.169.254:9254, unix:///PATH or unix-listen:///PATH",
                static (config, value) =>
                {
                    // Making an endpoint opens nothing; it throws what is wrong with the URI.
                    _ = value == AgentConfig.AutoEndpoint ? null : TransportEndpoints.Create(value);
                    return config with { Endpoint = value };
                }),
            Time("heartbeat_interval", "200ms", "60s", static (config, time) => config with { HeartbeatInterval = time }),
            Text("control_socket", "an absolute path of at most 107 bytes, or \"none\"",
                static (config, value) => value == "none" ? config with { ControlSocket = null }
                    : IsPath(value) && Encoding.UTF8.GetByteCount(value) <= MaxSocketPathBytes ? config with { ControlSocket = value } : null),
            Text("metadata_relay", "\"auto\", \"off\", or an IPv4 \"ADDRESS:PORT\"",
                static (config, value) => RelaySetting.Parse(value) is { } relay ? config with { MetadataRelay = relay } : null),
        ]),
        new("log",
        [
            Text("level", "\"error\", \"warning\", \"info\" or \"debug\"",
                static (config, value) => ParseLevel(value) is { } level ? config with { LogLevel = level } : null),
            TomlKey.Number<AgentConfig>("rate", 1, 1000, static (config, rate) => config with { LogRate = rate }),
        ]),
        new("limits",
        [
            TomlKey.Number<AgentConfig>("programs", 1, 256, static (config, programs) => config with { MaxPrograms = programs }),
            TomlKey.Number<AgentConfig>("overlay_mib", 1, 1 << 20, static (config, mebibytes) => config with { OverlayLimit = (long)mebibytes << 20 }),
        ]),
        new("freeze",
        [
            Text("hooks", "an absolute path", static (config, value) => IsPath(value) ? config with { FreezeHooks = value } : null),
            Time("hook_timeout", "100ms", "300s", static (config, time) => config with { FreezeHookTimeout = time }),
            Time("max_lease", "1s", "3600s", static (config, time) => config with { FreezeMaxLease = time }),
        ]),
        new("snapshot",
        [
            TomlKey.Switch<AgentConfig>("gate", static (config, isAllowed) => config with { SnapshotGate = isAllowed }),
            Text("hooks", "an absolute path", static (config, value) => IsPath(value) ? config with { SnapshotHooks = value } : null),
        ]),
        new("qga",
        [
            Text("listen", "\"auto\", \"off\", a path below /dev of a virtio port, or the path of a Unix socket to listen on",
                static (config, value) => QgaSetting.Parse(value) is { } qga ? config with { Qga = qga } : null),
            PolicyKeys.Names("allow", "a list of commands such as [\"guest-ping\"], or [\"*\"]", names?.QgaCommands, "command",
                static (config, commands) => config with { QgaCommands = config.QgaCommands with { Allowed = commands } }),
            PolicyKeys.Names("deny", "a list of commands such as [\"guest-exec\"]", names?.QgaCommands, "command",
                static (config, commands) => config with { QgaCommands = config.QgaCommands with { Denied = commands } }),
            Time("freeze_lease", "1s", "3600s", static (config, time) => config with { QgaFreezeLease = time }),
        ]),
        .. PolicyKeys.Tables(names?.Methods),
    ]);

    private static TomlKey<AgentConfig> Text(string name, string allowed, Func<AgentConfig, string, AgentConfig?> apply) => TomlKey.Text(name, allowed,
        (AgentConfig config, string value) => value.Any(char.IsControl) ? null : apply(config, value));

    private static TomlKey<AgentConfig> Time(string name, string min, string max, Func<AgentConfig, TimeSpan, AgentConfig> apply) => Text(name, $"a time from \"{min}\" to \"{max}\"",
        (config, value) => ParseTime(value) is { } time && time >= ParseTime(min) && time <= ParseTime(max) ? apply(config, time) : null);

    private static bool IsPath(string value) => value.Length > 1 && value[0] == '/' && value[^1] != '/';

    private static LogLevel? ParseLevel(string value) => value switch
    {
        "error" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "info" => LogLevel.Info,
        "debug" => LogLevel.Debug,
        _ => null,
    };

    /// <summary>Reads a time such as "500ms" or "30s", at most an hour; null if it is none.</summary>
    internal static TimeSpan? ParseTime(string value)
    {
        var (digits, unit) = value.EndsWith("ms", StringComparison.Ordinal) ? (value[..^2], 1)
            : value.EndsWith('s') ? (value[..^1], 1000) : ("", 0);
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= 3_600_000 / unit
            ? TimeSpan.FromMilliseconds((long)number * unit)
            : null;
    }
}
