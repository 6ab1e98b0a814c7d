namespace ChannelSdk.HostEndpoint.Launch;

/// <summary>What a trace names.</summary>
public enum LaunchTraceKind
{
    /// <summary>A process: its number, and when it was started.</summary>
    Process,
    /// <summary>The folder of a control group (cgroups v2).</summary>
    ControlGroup,
    /// <summary>A link-local network, by its name.</summary>
    Network,
    /// <summary>A file.</summary>
    File,
    /// <summary>A Xen domain, by its name.</summary>
    Domain,
}

/// <summary>Something that a launch has made, or is about to make, and that a crash would leave.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its name, path or number.</param>
/// <param name="StartTime">Of a process (<see cref="Install.ProcessIdentity"/>).</param>
public sealed record LaunchTrace(LaunchTraceKind Kind, string Name, long StartTime = 0)
{
    /// <summary>The trace of a process.</summary>
    public static LaunchTrace Of(Install.ProcessIdentity process) =>
        new(LaunchTraceKind.Process, process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), process.StartTime);
}
