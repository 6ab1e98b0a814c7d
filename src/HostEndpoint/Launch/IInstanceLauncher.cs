using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Host.Launch;

/// <summary>A disk of the instance that is installed.</summary>
/// <param name="Path">Path of the image or block device on the host.</param>
/// <param name="Format">Its format: raw, qcow2.</param>
public sealed record TargetDisk(string Path, string Format = "raw");

/// <summary>An appliance to be started.</summary>
public sealed record LaunchRequest
{
    /// <summary>Name of the instance.</summary>
    public required string Instance { get; init; }

    /// <summary>Name of the operation, 32 hexadecimal digits: unique, so that names can be made of it.</summary>
    public required string Operation { get; init; }

    /// <summary>A folder for what the appliance needs; it is removed with the operation.</summary>
    public required string Folder { get; init; }

    /// <summary>The instance's disks, which the appliance sees in this order as its last ones.</summary>
    public required IReadOnlyList<TargetDisk> Disks { get; init; }

    /// <summary>
    /// Files of the host, each of which the appliance sees as one more disk behind <see cref="Disks"/> that it can only read: raw, whatever is in
    /// it, as a launcher that looked for a format would open what a hostile file names. Their paths are valid until the launch has returned.
    /// </summary>
    public IReadOnlyList<string> Media { get; init; } = [];

    /// <summary>
    /// The instance's hardware. The appliance gets as much of it as it can use: the memory where that is more than its own, the processors, and
    /// network interfaces with the same addresses, which are connected to nothing.
    /// </summary>
    public MachineHardware Hardware { get; init; } = new();

    /// <summary>
    /// Variables that the processes of the appliance must have in their environment: they identify the processes to end
    /// after a crash.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Called for each resource outside of <see cref="Folder"/>, before it is made.</summary>
    public required Action<LaunchResource> OnResource { get; init; }

    /// <summary>Takes a line for the log, as a part of a sentence, for each way in which this host cannot keep the appliance from the rest of it.</summary>
    public Action<string> OnNote { get; init; } = static _ => { };
}

/// <summary>
/// Starts appliances under a hypervisor. A host manager implements it for its hypervisor; the launchers for QEMU and Xen are in the
/// package of hypervisors. Every launch begins from the appliance's pristine state.
/// </summary>
public interface IInstanceLauncher
{
    /// <summary>Starts an appliance. When it throws or is cancelled, nothing is left.</summary>
    /// <exception cref="ChannelException">It cannot be started; the text says why.</exception>
    Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Removes a leftover of a launch whose process is gone, of a kind that only the hypervisor can remove: a
    /// domain. Processes, control groups, networks and files need no launcher.
    /// </summary>
    /// <returns>Whether it was removed.</returns>
    Task<bool> RemoveAsync(LaunchResource resource, CancellationToken cancellationToken = default) => Task.FromResult(false);
}

/// <summary>An appliance that was started. Disposing of it ends it, if it runs, and removes what it has left.</summary>
public interface ILaunchedInstance : IAsyncDisposable
{
    /// <summary>Where its channel is; the caller disposes of it.</summary>
    ITransportEndpoint Endpoint { get; }

    /// <summary>Where the appliance sees the disks of the request, for instance /dev/vda.</summary>
    IReadOnlyList<string> DiskDevices { get; }

    /// <summary>Where the appliance sees the media of the request; empty: the launcher attaches none.</summary>
    IReadOnlyList<string> MediaDevices => [];

    /// <summary>Ends when the appliance has ended, for any reason, or its hypervisor has stopped it for good, as its disk cannot be written.</summary>
    Task Exited { get; }

    /// <summary>Ends it by force.</summary>
    /// <param name="within">Time that it may take in all.</param>
    Task KillAsync(TimeSpan within);

    /// <summary>What is known of it, asked before it is disposed of: why it has ended, its console. At its end it may wait a second for the last of that.</summary>
    ValueTask<LaunchDiagnosis> DiagnoseAsync() => ValueTask.FromResult(LaunchDiagnosis.Unknown);
}
