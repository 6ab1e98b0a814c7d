using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Launch;

/// <summary>
/// Starts and ends the machines of instances under a hypervisor. A host manager implements it for its hypervisor; those for QEMU and
/// Xen are in the package of hypervisors.
/// </summary>
public interface IMachineLauncher
{
    /// <summary>Starts a machine that goes on without this process. When this throws or is cancelled, nothing is left.</summary>
    /// <exception cref="ChannelException">It cannot be started; the text says why.</exception>
    Task StartAsync(MachineRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Starts a machine that ends with this process, and at its first reboot, so that it can install itself. Its last network interface leads to
    /// this host alone.
    /// </summary>
    /// <param name="request">The machine.</param>
    /// <param name="metadataSocket">The socket that connections to port 80 of 169.254.169.254 are handed over at.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException">It cannot be started; the text says why.</exception>
    Task<IAttendedMachine> AttendAsync(MachineRequest request, string metadataSocket, CancellationToken cancellationToken = default);

    /// <summary>Asks the guest by the hypervisor's own means to switch itself off, and does not wait for it.</summary>
    /// <exception cref="ChannelException">The hypervisor cannot be asked.</exception>
    Task PowerDownAsync(RunningMachine machine, CancellationToken cancellationToken = default);

    /// <summary>Ends a machine by force, and all that belongs to it.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="within">Time that it may take in all.</param>
    /// <returns>Whether it has ended.</returns>
    Task<bool> KillAsync(RunningMachine machine, TimeSpan within);
}

/// <summary>A machine that ends with this process. Disposing of it ends it, if it runs.</summary>
public interface IAttendedMachine : IAsyncDisposable
{
    /// <summary>Ends when the machine has ended, for any reason, or its hypervisor has stopped it for good.</summary>
    Task Exited { get; }

    /// <summary>Asks the guest by the hypervisor's own means to switch itself off, and does not wait for it.</summary>
    Task PowerDownAsync(CancellationToken cancellationToken = default);

    /// <summary>What is known of it, asked before it is disposed of: why it has ended, its console.</summary>
    ValueTask<LaunchDiagnosis> DiagnoseAsync();
}
