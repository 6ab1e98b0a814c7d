using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Host.Launch;

/// <summary>A machine that was started, by what any process of its user can find it.</summary>
public sealed record RunningMachine
{
    /// <summary>Name of the instance.</summary>
    public required string Instance { get; init; }

    /// <summary>The process that the machine is, or that lives as long as it does.</summary>
    public required ProcessIdentity Process { get; init; }

    /// <summary>When it was started.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>Folders of the control groups that its processes are in; none where its host gives it none.</summary>
    public IReadOnlyList<string> ControlGroups { get; init; } = [];

    /// <summary>URI of its channel's host side; null: it has none.</summary>
    public string? ChannelUri { get; init; }

    /// <summary>Path of its monitor's socket; null: its hypervisor has none.</summary>
    public string? MonitorSocket { get; init; }

    /// <summary>Path of its console's socket, which has one client at a time; null: <see cref="ConsoleCommand"/> leads to it.</summary>
    public string? ConsoleSocket { get; init; }

    /// <summary>A program, with its arguments, that connects a terminal to the console; empty: <see cref="ConsoleSocket"/> is it.</summary>
    public IReadOnlyList<string> ConsoleCommand { get; init; } = [];

    /// <summary>Whether it still runs.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsRunning => Process.IsRunning;
}
