using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Install.Machines;

/// <summary>
/// The machines of a host's instances, each as its record says when it is started. A machine goes on without the process that started it, and any
/// process finds it again. One command at a time is at work on an instance.
/// </summary>
public sealed class InstanceMachines
{
    private static readonly TimeSpan s_agentTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_killTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly string _folder;
    private readonly InstanceRecordStore _records;
    private readonly IMachineLauncher _launcher;

    /// <summary>Makes one.</summary>
    /// <param name="folder">As <see cref="InstallerOptions.Folder"/>: at most 60 characters, as sockets lie below it.</param>
    /// <param name="records">The instances' records.</param>
    /// <param name="launcher">Starts and ends machines.</param>
    public InstanceMachines(string folder, InstanceRecordStore records, IMachineLauncher launcher)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(records);
        ArgumentNullException.ThrowIfNull(launcher);
        (_folder, _records, _launcher) = (folder, records, launcher);
    }

    /// <summary>The machine of an instance that runs; null: none does.</summary>
    /// <param name="folder">As for the constructor.</param>
    /// <param name="instance">Name of the instance.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed, or the file that describes the machine is damaged.</exception>
    public static RunningMachine? Find(string folder, string instance)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(instance);
        InstanceName.Check(instance);
        return new MachineFile(folder, instance).Find();
    }

    /// <summary>Refuses what must not be done to an instance whose machine runs.</summary>
    /// <param name="folder">As for the constructor.</param>
    /// <param name="instance">Name of the instance.</param>
    /// <param name="purpose">Why it has to be stopped, as a part of a sentence.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: it runs.</exception>
    public static void RequireStopped(string folder, string instance, string purpose)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(purpose);
        new MachineFile(folder, instance).RequireStopped(purpose);
    }

    /// <summary>Starts the machine of an instance in mode run, with a channel only if its record has <see cref="InstanceRecord.Communication"/>.</summary>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: it runs, another command is at work on it, or its mode is another one.
    /// <see cref="ChannelError.BadConfiguration"/>: its record asks for what cannot be. Else why its hypervisor does not start it.
    /// </exception>
    public async Task<RunningMachine> StartAsync(string instance, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        _records.Get(instance);
        using var kept = InstanceLock.Take(_folder, instance);
        var record = _records.Get(instance);
        if (record.Mode != ExecutionMode.Run)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{instance} is not in mode run, and its machine is for an installation of it");
        }

        var file = new MachineFile(_folder, instance);
        file.RequireStopped("it cannot run twice");
        file.Prepare();
        try
        {
            RunningMachine? started = null;
            await _launcher.StartAsync(MachinePlan.Of(record, file.Folder, machine => file.Write(started = machine)), cancellationToken).ConfigureAwait(false);
            return started ?? throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"the launcher of {instance} did not tell of its machine");
        }
        catch
        {
            file.Remove();
            throw;
        }
    }

    /// <summary>Stops a machine: asks the agent, if it has a channel and an agent answers, else by the hypervisor's own means.</summary>
    /// <param name="instance">Name of the instance.</param>
    /// <param name="timeout">How long the guest may take.</param>
    /// <param name="force">Whether a guest that has not stopped by then is ended by force.</param>
    /// <param name="cancellationToken">Ends the wait; the guest may stop nevertheless.</param>
    /// <returns>Whether a machine ran.</returns>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.DeadlineExceeded"/>: it still runs. <see cref="ChannelError.FailedPrecondition"/>: another command is at work on it.
    /// </exception>
    public async Task<bool> StopAsync(string instance, TimeSpan timeout, bool force = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        using var kept = InstanceLock.Take(_folder, instance);
        var file = new MachineFile(_folder, instance);
        if (file.Find() is not { } machine)
        {
            file.Remove();
            return false;
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(timeout);
        try
        {
            if (!await AskAgentAsync(machine, patience.Token).ConfigureAwait(false))
            {
                await _launcher.PowerDownAsync(machine, patience.Token).ConfigureAwait(false);
            }

            while (machine.IsRunning)
            {
                await Task.Delay(s_look, patience.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            if (machine.IsRunning && !force)
            {
                throw e as ChannelException ?? new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun,
                    $"{instance} was asked to stop and still runs after {timeout.TotalSeconds:0.#} s; --force ends it without its consent");
            }

            if (!await _launcher.KillAsync(machine, s_killTime).ConfigureAwait(false))
            {
                throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"the process {machine.Process.Id} of {instance} was killed and has not ended yet");
            }
        }

        file.Remove();
        return true;
    }

    /// <summary>Whether an agent has accepted to stop the guest.</summary>
    private static async Task<bool> AskAgentAsync(RunningMachine machine, CancellationToken cancellationToken)
    {
        if (machine.ChannelUri is not { } uri)
        {
            return false;
        }

        try
        {
            await using var host = new ChannelHost();
            var instance = host.Attach(machine.Instance, uri);
            await instance.WaitReadyAsync(s_agentTime, cancellationToken).ConfigureAwait(false);
            return (await instance.Power.ShutdownAsync("the host stops the instance", cancellationToken).ConfigureAwait(false)).Accepted;
        }
        catch (ChannelException)
        {
            // No agent, one that may not, or another client of the channel: the hypervisor asks.
            return false;
        }
    }
}
