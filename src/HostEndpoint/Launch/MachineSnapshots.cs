using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Host.Launch;

/// <summary>How a snapshot of a machine is taken.</summary>
public sealed record MachineSnapshotPlan
{
    /// <summary>The machine, as it was started.</summary>
    public required MachineRequest Machine { get; init; }

    /// <summary>How its guest is brought to rest.</summary>
    public SnapshotRequest Rest { get; init; } = new();

    /// <summary>As <see cref="MachineSave.Overlays"/>.</summary>
    public IReadOnlyList<string> Overlays { get; init; } = [];

    /// <summary>As <see cref="MachineSave.OnDisks"/>.</summary>
    public Action<IReadOnlyList<TargetDisk>> OnDisks { get; init; } = static _ => { };

    /// <summary>Copies the disks while the machine, or for a snapshot of its disks alone its guest, is at rest; null: <see cref="Overlays"/> do.</summary>
    public Func<CancellationToken, Task>? CopyDisks { get; init; }
}

/// <summary>Takes snapshots of machines, and starts machines from them, from the guest's rest to its repair.</summary>
public sealed class MachineSnapshots
{
    private static readonly TimeSpan s_undoTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_killTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_connectTime = TimeSpan.FromMilliseconds(100);
    private readonly IMachineLauncher _launcher;
    private readonly IMachineSnapshots? _snapshots;

    /// <summary>Makes one.</summary>
    /// <param name="launcher">Starts and ends machines.</param>
    /// <param name="snapshots">Saves them; null: the hypervisor cannot, and there are snapshots of disks by a command alone.</param>
    public MachineSnapshots(IMachineLauncher launcher, IMachineSnapshots? snapshots)
    {
        ArgumentNullException.ThrowIfNull(launcher);
        (_launcher, _snapshots) = (launcher, snapshots);
    }

    /// <summary>Takes a snapshot. When this throws, there is none, and the machine and its guest go on.</summary>
    /// <param name="instance">The guest, whose agent is there.</param>
    /// <param name="machine">Its machine.</param>
    /// <param name="folder">Where the snapshot is kept.</param>
    /// <param name="plan">How.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SnapshotFailedException">The guest cannot be brought to rest.</exception>
    /// <exception cref="ChannelException">Why there is none; <see cref="ChannelError.FailedPrecondition"/> also if the guest's rest ended before the snapshot was taken.</exception>
    public async Task<SnapshotStamp> CreateAsync(Instance instance, RunningMachine machine, SnapshotFolder folder, MachineSnapshotPlan plan, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(plan);
        var hasMemory = plan.Rest.Kind == SnapshotKind.Memory;
        if (_snapshots is null && (hasMemory || plan.Overlays.Count > 0))
        {
            throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, "this hypervisor's machines cannot be saved here; take a snapshot of the disks by a command");
        }

        folder.Prepare();
        try
        {
            var info = await instance.Info.GetAsync(cancellationToken).ConfigureAwait(false);
            var disks = plan.Machine.Disks;
            var (saved, rest) = await AtRestAsync(instance, plan.Rest, async () => hasMemory || plan.Overlays.Count > 0
                ? await _snapshots!.SaveAsync(machine, new MachineSave
                {
                    Machine = plan.Machine,
                    Folder = hasMemory ? folder.Path : null,
                    Overlays = plan.Overlays,
                    OnDisks = plan.OnDisks,
                    WhileStopped = plan.CopyDisks,
                }, cancellationToken).ConfigureAwait(false)
                : await CopyAsync(plan, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            if (hasMemory)
            {
                await _snapshots!.FinishAsync(plan.Machine with { Disks = disks }, folder.Path, cancellationToken).ConfigureAwait(false);
            }

            var stamp = new SnapshotStamp
            {
                Instance = machine.Instance,
                Kind = plan.Rest.Kind,
                Taken = DateTimeOffset.UtcNow,
                IsGated = plan.Rest.Gate,
                IsFrozen = rest.Freeze is { State: FreezeState.Frozen },
                AgentVersion = info.Agent?.Version ?? "",
                AgentMethods = info.Methods,
                Machine = saved,
                Disks = [.. disks.Select(SnapshotDisk.Of)],
                AreDisksElsewhere = plan.CopyDisks is not null,
                Addresses = [.. plan.Machine.Hardware.Nics.Select(static nic => nic.Mac)],
            };
            folder.Write(stamp);
            return stamp;
        }
        catch
        {
            folder.Remove();
            throw;
        }
    }

    /// <summary>Starts a machine from a snapshot, tells its guest what it is, and waits until it is ready. When this throws, the machine has ended.</summary>
    /// <param name="folder">The snapshot.</param>
    /// <param name="request">The machine. Its disks are copies of the snapshot's (<see cref="IMachineSnapshots.OverlayAsync"/>), and it has a channel.</param>
    /// <param name="completion">What the guest is: restored, or a clone.</param>
    /// <param name="attach">Attaches the guest; the caller disposes of it, also when this throws.</param>
    /// <param name="within">How long it may take until the guest is ready.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What the guest says of its repair.</returns>
    /// <exception cref="SnapshotFailedException">The guest is not repaired.</exception>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.FailedPrecondition"/>: the machine would not be like the saved one, or a disk of the snapshot was written since; the text says what differs. Else why there is no
    /// ready guest.
    /// </exception>
    public async Task<SnapshotReport> RestoreAsync(
        SnapshotFolder folder, MachineRequest request, SnapshotCompletion completion, Func<RunningMachine, Instance> attach, TimeSpan within, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(completion);
        ArgumentNullException.ThrowIfNull(attach);
        var stamp = folder.Read();
        Check(stamp, request, completion);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(within);
        RunningMachine? machine = null;
        Instance? instance = null;
        var told = request with
        {
            OnStarted = started => request.OnStarted(machine = started),
            OnReady = async stopping =>
            {
                await request.OnReady(stopping).ConfigureAwait(false);
                instance = machine is null ? null : attach(machine);
                await ConnectAsync(instance, stopping).ConfigureAwait(false);
            },
        };
        try
        {
            await (stamp.Kind == SnapshotKind.Memory ? _snapshots!.StartAsync(told, folder.Path, stamp.Machine, limit.Token) : _launcher.StartAsync(told, limit.Token)).ConfigureAwait(false);
            instance ??= attach(machine ?? throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, $"the launcher of {request.Instance} did not tell of its machine"));
            await instance.WaitReadyAsync(limit.Token).ConfigureAwait(false);
            var report = await instance.Snapshot.CompleteAsync(completion, within, limit.Token).ConfigureAwait(false);
            while (instance.Status.State is not (StateWord.Ready or StateWord.Busy))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(2), limit.Token).ConfigureAwait(false);
            }

            return report;
        }
        catch (Exception e)
        {
            if (machine is not null)
            {
                // A copy that is not repaired may use what the other copies use.
                await _launcher.KillAsync(machine, s_killTime).ConfigureAwait(false);
            }

            if (e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"{request.Instance} was not ready within {within.TotalSeconds:0.#} s, and was ended: {e.Message}", e);
            }

            throw;
        }
    }

    /// <summary>Waits for a moment until the host is at the machine's channel: a guest that finds it there need not notice that one has gone and another has come.</summary>
    private static async Task ConnectAsync(Instance? instance, CancellationToken cancellationToken)
    {
        for (var start = Stopwatch.GetTimestamp(); instance?.Channel.Status.LinkState == LinkState.Opening && Stopwatch.GetElapsedTime(start) < s_connectTime;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Refuses what cannot become a ready guest, before anything is made.</summary>
    private void Check(SnapshotStamp stamp, MachineRequest request, SnapshotCompletion completion)
    {
        if (!completion.IsCopy)
        {
            throw new ArgumentException("a guest that starts from a snapshot is restored, or a clone", nameof(completion));
        }

        if (!request.HasChannel)
        {
            throw Refused($"{request.Instance} has no channel, by which the guest of a snapshot is told what it is");
        }

        if (stamp.Kind == SnapshotKind.Memory && _snapshots is null)
        {
            throw Refused("this hypervisor's machines cannot be started from memory");
        }

        foreach (var disk in stamp.AreDisksElsewhere ? [] : stamp.Disks)
        {
            if (SnapshotDisk.Of(disk.ToTarget()) != disk)
            {
                throw Refused($"the disk {disk.Path} of the snapshot is not there, or was written since the snapshot was taken at {stamp.Taken:u}");
            }
        }
    }

    /// <summary>Does something while the guest is at rest, which it leaves in any case.</summary>
    private static async Task<(IReadOnlyDictionary<string, string> Saved, SnapshotReport Report)> AtRestAsync(
        Instance instance, SnapshotRequest request, Func<Task<IReadOnlyDictionary<string, string>>> save, CancellationToken cancellationToken)
    {
        var goesOn = new SnapshotCompletion { Origin = SnapshotOrigin.GoesOn };
        SnapshotReport rest;
        IReadOnlyDictionary<string, string> saved;
        var isPrepared = false;
        try
        {
            rest = await instance.Snapshot.PrepareAsync(request, cancellationToken).ConfigureAwait(false);
            isPrepared = true;
            saved = await save().ConfigureAwait(false);
        }
        catch (Exception e) when (isPrepared || e is OperationCanceledException or ChannelException { Class: ErrorClass.MayHaveRun })
        {
            // It may also be at rest if the call was given up; the guest's own lease is behind this.
            using var soon = new CancellationTokenSource(s_undoTime);
            await ((Task)instance.Snapshot.CompleteAsync(goesOn, s_undoTime, soon.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        await instance.Snapshot.CompleteAsync(goesOn, s_undoTime, CancellationToken.None).ConfigureAwait(false);
        return (saved, rest);
    }

    private static async Task<IReadOnlyDictionary<string, string>> CopyAsync(MachineSnapshotPlan plan, CancellationToken cancellationToken)
    {
        if (plan.CopyDisks is { } copy)
        {
            await copy(cancellationToken).ConfigureAwait(false);
        }

        return new Dictionary<string, string>();
    }

    private static ChannelException Refused(string text) => new(ChannelError.FailedPrecondition, ErrorClass.Refused, text);
}
