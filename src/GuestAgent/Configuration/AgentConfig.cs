using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>Everything that an image may set. The defaults work without any file.</summary>
internal sealed record AgentConfig
{
    /// <summary>Where the file is if no flag says otherwise.</summary>
    public const string DefaultFile = "/etc/channel-agent/agent.toml";

    /// <summary>Stands for <see cref="VirtioEndpoint"/>, or in a domain of Xen for its vchan.</summary>
    public const string AutoEndpoint = "auto";

    /// <summary>The port name that the host side uses too unless it is told otherwise.</summary>
    public const string VirtioEndpoint = "virtio-port://org.channelsdk.agent.0";

    /// <summary>Below /run: gone after a boot, and its folder is the agent's own.</summary>
    public const string DefaultControlSocket = "/run/channel-agent/control.sock";

    /// <summary>URI of the way to the host, or <see cref="AutoEndpoint"/> until it was looked what guest this is.</summary>
    public string Endpoint { get; init; } = AutoEndpoint;

    /// <summary>Path of the local control socket; null for none.</summary>
    public string? ControlSocket { get; init; } = DefaultControlSocket;

    /// <summary>Lines below this level are not written.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Info;

    /// <summary>Log lines per second, 1 to 1000; twice as many may come at once.</summary>
    public int LogRate { get; init; } = 20;

    /// <summary>What the image allows its host.</summary>
    public PolicyRules Policy { get; init; } = new();

    /// <summary>Most bytes of a package that is laid over an installed system, and of the files in it.</summary>
    public long OverlayLimit { get; init; } = 4L << 30;

    /// <summary>How many programs the host may have running at a time, 1 to 256.</summary>
    public int MaxPrograms { get; init; } = 32;

    /// <summary>Folder of the freeze hooks.</summary>
    public string FreezeHooks { get; init; } = "/etc/channel-agent/hooks.d";

    /// <summary>How long each hook may take, 100 ms to 300 s.</summary>
    public TimeSpan FreezeHookTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest lease of a freeze, 1 s to 3600 s.</summary>
    public TimeSpan FreezeMaxLease { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether the host may stop every other process for a snapshot.</summary>
    public bool SnapshotGate { get; init; } = true;

    /// <summary>Folder of the hooks of a restored guest and of a clone.</summary>
    public string SnapshotHooks { get; init; } = "/etc/channel-agent/generation.d";

    /// <summary>Where the agent serves the host's HTTP metadata in the guest.</summary>
    public RelaySetting MetadataRelay { get; init; } = RelaySetting.Auto;

    /// <summary>Where the agent answers the QEMU guest agent's protocol.</summary>
    public QgaSetting Qga { get; init; } = QgaSetting.Auto;

    /// <summary>The commands of that protocol that may be called.</summary>
    public QgaLists QgaCommands { get; init; } = QgaLists.All;

    /// <summary>The lease of a freeze by that protocol, 1 s to 3600 s; at most <see cref="FreezeMaxLease"/> counts.</summary>
    public TimeSpan QgaFreezeLease { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Time between two heartbeats to the host, 200 ms to 60 s.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The file that was read; empty for built-in defaults.</summary>
    public string SourceFile { get; init; } = "";
}
