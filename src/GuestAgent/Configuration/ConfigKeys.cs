using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Qga;
using ChannelSdk.Transports;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The table of all keys. The file and the flags both go through it, so both say the same of a wrong value.</summary>
internal static class ConfigKeys
{
    // sun_path holds 108 bytes with its terminating zero (unix(7)).
    private const int MaxSocketPathBytes = 107;

    public static IReadOnlyList<ConfigKey> All { get; } =
    [
        new("endpoint", "auto, or a URI such as virtio-port://NAME, virtio-port:///dev/virtio-ports/NAME, vsock://2:PORT, vsock-listen://2:PORT, vchan-listen://0/NAME, tcp://169.254.169.254:9254, unix:///PATH or unix-listen:///PATH",
            static (config, value) =>
            {
                // Making an endpoint opens nothing; it throws what is wrong with the URI.
                _ = value == AgentConfig.AutoEndpoint ? null : TransportEndpoints.Create(value);
                return config with { Endpoint = value };
            }),
        new("control_socket", "an absolute path of at most 107 bytes, or none",
            static (config, value) => value == "none" ? config with { ControlSocket = null }
                : IsSocketPath(value) ? config with { ControlSocket = value } : null),
        new("log_level", "error, warning, info or debug",
            static (config, value) => ParseLevel(value) is { } level ? config with { LogLevel = level } : null),
        new("log_rate", "a whole number of lines per second from 1 to 1000",
            static (config, value) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int rate)
                && rate is >= 1 and <= 1000 ? config with { LogRate = rate } : null),
        new("power", "allow or deny",
            static (config, value) => ParseAllow(value) is { } allow ? config with { AllowPower = allow } : null),
        new("measure", "allow or deny",
            static (config, value) => ParseAllow(value) is { } allow ? config with { AllowMeasure = allow } : null),
        new("install", "allow or deny",
            static (config, value) => ParseAllow(value) is { } allow ? config with { AllowInstall = allow } : null),
        new("overlay_limit", "a whole number of MiB from 1 to 1048576",
            static (config, value) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int mebibytes)
                && mebibytes is >= 1 and <= 1 << 20 ? config with { OverlayLimit = (long)mebibytes << 20 } : null),
        new("policy_file", "an absolute path",
            static (config, value) => IsPath(value) ? config with { PolicyFile = value } : null),
        new("max_programs", "a whole number from 1 to 256",
            static (config, value) => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int programs)
                && programs is >= 1 and <= 256 ? config with { MaxPrograms = programs } : null),
        new("freeze_hooks", "an absolute path", static (config, value) => IsPath(value) ? config with { FreezeHooks = value } : null),
        new("freeze_hook_timeout", "a time from 100ms to 300s",
            static (config, value) => ParseTime(value) is { } time && time >= TimeSpan.FromMilliseconds(100)
                && time <= TimeSpan.FromSeconds(300) ? config with { FreezeHookTimeout = time } : null),
        new("freeze_max_lease", "a time from 1s to 3600s",
            static (config, value) => ParseTime(value) is { } time && time >= TimeSpan.FromSeconds(1)
                ? config with { FreezeMaxLease = time } : null),
        new("metadata_relay", "auto, off, or an IPv4 ADDRESS:PORT",
            static (config, value) => RelaySetting.Parse(value) is { } relay ? config with { MetadataRelay = relay } : null),
        new("qga", "auto, off, a path below /dev of a virtio port, or the path of a Unix socket to listen on",
            static (config, value) => QgaSetting.Parse(value) is { } qga ? config with { Qga = qga } : null),
        new("qga_allow", "all, or names of guest- commands with commas between them",
            static (config, value) => value == "all" ? config with { QgaCommands = config.QgaCommands with { Allowed = null } }
                : QgaLists.Parse(value) is { } names ? config with { QgaCommands = config.QgaCommands with { Allowed = names } } : null),
        new("qga_block", "none, or names of guest- commands with commas between them",
            static (config, value) => value == "none" ? config with { QgaCommands = config.QgaCommands with { Blocked = [] } }
                : QgaLists.Parse(value) is { } names ? config with { QgaCommands = config.QgaCommands with { Blocked = names } } : null),
        new("qga_freeze_lease", "a time from 1s to 3600s",
            static (config, value) => ParseTime(value) is { } time && time >= TimeSpan.FromSeconds(1)
                ? config with { QgaFreezeLease = time } : null),
        new("heartbeat_interval", "a time from 200ms to 60s, for instance 500ms or 5s",
            static (config, value) => ParseTime(value) is { } time && time >= TimeSpan.FromMilliseconds(200)
                && time <= TimeSpan.FromSeconds(60) ? config with { HeartbeatInterval = time } : null),
    ];

    public static ConfigKey? Find(string name)
    {
        foreach (ConfigKey key in All)
        {
            if (key.Name == name)
            {
                return key;
            }
        }
        return null;
    }

    private static bool IsPath(string value) => value.Length > 1 && value[0] == '/' && value[^1] != '/';

    private static bool IsSocketPath(string value) =>
        IsPath(value) && Encoding.UTF8.GetByteCount(value) <= MaxSocketPathBytes;

    private static LogLevel? ParseLevel(string value) => value switch
    {
        "error" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "info" => LogLevel.Info,
        "debug" => LogLevel.Debug,
        _ => null,
    };

    private static bool? ParseAllow(string value) => value switch { "allow" => true, "deny" => false, _ => null };

    private static TimeSpan? ParseTime(string value)
    {
        (string digits, int unit) = value.EndsWith("ms", StringComparison.Ordinal) ? (value[..^2], 1)
            : value.EndsWith('s') ? (value[..^1], 1000) : ("", 0);
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 3_600_000 / unit
            ? TimeSpan.FromMilliseconds((long)number * unit)
            : null;
    }
}
