using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Host.Launch;

/// <summary>What a resource names.</summary>
public enum LaunchResourceKind
{
    /// <summary>A process: its number, and when it was started.</summary>
    Process,
    /// <summary>The folder of a control group.</summary>
    ControlGroup,
    /// <summary>A link-local network, by its name.</summary>
    Network,
    /// <summary>A file.</summary>
    File,
    /// <summary>A Xen domain, by its name.</summary>
    Domain,
}

/// <summary>A resource that a launch has made, or is about to make, and that a crash would leave behind.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its name, path or number.</param>
/// <param name="StartTime">Of a process (<see cref="ProcessIdentity"/>).</param>
public sealed record LaunchResource(LaunchResourceKind Kind, string Name, long StartTime = 0)
{
    /// <summary>The resource of a process.</summary>
    public static LaunchResource Of(ProcessIdentity process) =>
        new(LaunchResourceKind.Process, process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), process.StartTime);
}
