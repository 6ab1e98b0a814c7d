using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Launch;

/// <summary>
/// Writes running machines to a folder, and starts machines from it, under a hypervisor. A host manager implements it for its hypervisor, beside
/// <see cref="IMachineLauncher"/>.
/// </summary>
public interface IMachineSnapshots
{
    /// <summary>
    /// Stops a machine for a moment, gives it disks that take all further writes, writes its memory and devices, and lets it go on. When this throws or is cancelled, the
    /// machine goes on too.
    /// </summary>
    /// <returns>In what a machine must be like this one to start from the folder, by names for a person.</returns>
    /// <exception cref="ChannelException">It cannot be saved; the text says why.</exception>
    Task<IReadOnlyDictionary<string, string>> SaveAsync(RunningMachine machine, MachineSave save, CancellationToken cancellationToken = default);

    /// <summary>Makes of what <see cref="SaveAsync"/> has written what machines start from. The machine goes on meanwhile.</summary>
    /// <param name="request">The machine that was saved.</param>
    /// <param name="folder">Where it was written.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ChannelException">It cannot be made; the text says why.</exception>
    Task FinishAsync(MachineRequest request, string folder, CancellationToken cancellationToken = default);

    /// <summary>Makes a disk that begins as another one, which is only read from now on, and takes all writes to itself.</summary>
    /// <exception cref="ChannelException">It cannot be made; the text says why.</exception>
    Task<TargetDisk> OverlayAsync(TargetDisk disk, string overlay, CancellationToken cancellationToken = default);

    /// <summary>As <see cref="IMachineLauncher.StartAsync"/>, from a folder that is finished. Any number of machines can start from one folder.</summary>
    /// <param name="request">The machine; its hardware is as it was saved.</param>
    /// <param name="folder">The folder, which must stay until the machine has started.</param>
    /// <param name="saved">What <see cref="SaveAsync"/> has returned.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: this machine would not be like the saved one; the text says in what. Else why it cannot be started.</exception>
    Task StartAsync(MachineRequest request, string folder, IReadOnlyDictionary<string, string> saved, CancellationToken cancellationToken = default);
}

/// <summary>What is saved of a machine.</summary>
public sealed record MachineSave
{
    /// <summary>The machine, as it was started.</summary>
    public required MachineRequest Machine { get; init; }

    /// <summary>The folder that gets its memory and devices; null: its disks alone are kept.</summary>
    public string? Folder { get; init; }

    /// <summary>Paths of new files that take the writes to its disks from now on, one for each; empty: the disks are copied by <see cref="WhileStopped"/>, or not at all.</summary>
    public IReadOnlyList<string> Overlays { get; init; } = [];

    /// <summary>
    /// Called with the machine's disks as they are from now on, before they change, so that a crash of this process leaves none that is not known; and again with the
    /// former ones if they stay.
    /// </summary>
    public Action<IReadOnlyList<TargetDisk>> OnDisks { get; init; } = static _ => { };

    /// <summary>Run while the machine stands still; null: nothing is.</summary>
    public Func<CancellationToken, Task>? WhileStopped { get; init; }
}
