using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Machines;

/// <summary>How a snapshot's copy is made.</summary>
public sealed record SnapshotCopyOptions
{
    /// <summary>Its disks, of a snapshot whose disks were copied by a command; null: overlays of the snapshot's.</summary>
    public IReadOnlyList<TargetDisk>? Disks { get; init; }

    /// <summary>Host name of a clone; empty: the snapshot's; null: the new instance's name.</summary>
    public string? HostName { get; init; }

    /// <summary>How long it may take until the guest is ready, 1 ms to 24 days.</summary>
    public TimeSpan Within { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal SnapshotCopyOptions Validated()
    {
        OptionCheck.NoNulls(Disks ?? [], nameof(Disks));
        OptionCheck.Text(HostName ?? "", nameof(HostName));
        OptionCheck.Range(Within, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(24));
        return this;
    }
}

/// <summary>
/// Snapshots of a host's instances: taken of machines that run, and the machines that start from them. The records follow: a disk of a snapshot is only read from
/// then on, and each machine writes to an overlay of its own.
/// </summary>
public sealed class InstanceSnapshots
{
    private static readonly TimeSpan s_agentTime = TimeSpan.FromSeconds(10);
    private readonly string _folder;
    private readonly InstanceRecordStore _records;
    private readonly IMachineSnapshots? _hypervisor;
    private readonly MachineSnapshots _machines;
    private readonly SnapshotStore _store;

    /// <summary>Makes one.</summary>
    /// <param name="folder">As for <see cref="InstanceMachines"/>.</param>
    /// <param name="records">The instances' records.</param>
    /// <param name="launcher">Starts and ends machines.</param>
    /// <param name="hypervisor">Saves them; null: there are snapshots of disks by a command alone.</param>
    public InstanceSnapshots(string folder, InstanceRecordStore records, IMachineLauncher launcher, IMachineSnapshots? hypervisor)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(records);
        ArgumentNullException.ThrowIfNull(launcher);
        (_folder, _records, _hypervisor, _machines, _store) = (folder, records, hypervisor, new MachineSnapshots(launcher, hypervisor), new SnapshotStore(folder));
    }

    /// <summary>Names and stamps of an instance's snapshots, sorted.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the name is not allowed, or a stamp is damaged.</exception>
    public static IReadOnlyList<(string Name, SnapshotStamp Stamp)> List(string folder, string instance)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(instance);
        return new SnapshotStore(folder).List(instance);
    }

    /// <summary>Removes a snapshot: its memory and its stamp. Its disks stay, as the instance and clones go on from them.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a name is not allowed. <see cref="ChannelError.FailedPrecondition"/>: it cannot be removed now.</exception>
    public static bool Remove(string folder, string instance, string name)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(name);
        var snapshot = new SnapshotStore(folder).At(instance, name);
        if (!Directory.Exists(snapshot.Path))
        {
            return false;
        }

        using var kept = InstanceLock.Take(folder, instance);
        return snapshot.Remove();
    }

    /// <summary>Takes a snapshot of an instance whose machine runs; it goes on.</summary>
    /// <param name="instance">Name of the instance.</param>
    /// <param name="name">Name of the snapshot: 1 to 63 characters of a-z, 0-9, dot, hyphen and underscore.</param>
    /// <param name="rest">How the guest is brought to rest.</param>
    /// <param name="copyDisks">Copies the disks; null: overlays do.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ChannelException">As <see cref="MachineSnapshots.CreateAsync"/>; <see cref="ChannelError.FailedPrecondition"/> also if it does not run, or has no channel.</exception>
    public async Task<SnapshotStamp> CreateAsync(string instance, string name, SnapshotRequest rest, Func<CancellationToken, Task>? copyDisks = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(rest);
        var snapshot = _store.At(instance, name);
        _records.Get(instance);
        using var kept = InstanceLock.Take(_folder, instance);
        var record = _records.Get(instance);
        var file = new MachineFile(_folder, instance);
        if (file.Find() is not { ChannelUri: { } uri } machine)
        {
            throw Refused(file.Find() is null ? $"{instance} does not run, so its disks can be copied as they are" : $"{instance} has no channel, by which its guest is brought to rest");
        }

        _store.Prepare(instance);
        await using var host = new ChannelHost();
        var guest = host.Attach(instance, uri);
        await guest.WaitReadyAsync(s_agentTime, cancellationToken).ConfigureAwait(false);
        return await _machines.CreateAsync(guest, machine, snapshot, new MachineSnapshotPlan
        {
            Machine = MachinePlan.Of(record, file.Folder, static _ => { }),
            Rest = rest,
            Overlays = copyDisks is null ? _store.NewDisks(instance, name, record.Disks.Count) : [],
            OnDisks = disks => _records.Change(instance, current => current with { Disks = disks }),
            CopyDisks = copyDisks,
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts an instance that is stopped back to a snapshot of it. What its disks got since is lost.</summary>
    /// <exception cref="ChannelException">As <see cref="MachineSnapshots.RestoreAsync"/>; <see cref="ChannelError.FailedPrecondition"/> also if it runs. When this throws, the record is as before.</exception>
    public async Task<SnapshotReport> RestoreAsync(string instance, string name, SnapshotCopyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(name);
        var given = (options ?? new SnapshotCopyOptions()).Validated();
        var snapshot = _store.At(instance, name);
        _records.Get(instance);
        using var kept = InstanceLock.Take(_folder, instance);
        var record = _records.Get(instance);
        new MachineFile(_folder, instance).RequireStopped("it is put back as a whole");
        var report = await StartAsync(snapshot, name, record, (stamp, disks) => record with { Disks = disks },
            (_, _) => new SnapshotCompletion { Origin = SnapshotOrigin.Restored }, given, () => _records.Put(record), cancellationToken).ConfigureAwait(false);
        // Only this instance wrote to them, and no snapshot is of them.
        record.Disks.Where(disk => _store.IsOwn(instance, disk)).ToList().ForEach(static disk => File.Delete(disk.Path));
        return report;
    }

    /// <summary>Starts a new instance from a snapshot of another one, with the other's record but for its name, its disks and its hardware addresses.</summary>
    /// <exception cref="ChannelException">As <see cref="MachineSnapshots.RestoreAsync"/>; <see cref="ChannelError.FailedPrecondition"/> also if the new name has a record. When this throws, there is no new instance.</exception>
    /// <exception cref="ArgumentException">An option that is not allowed.</exception>
    public async Task<SnapshotReport> CloneAsync(string instance, string name, string newInstance, SnapshotCopyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(instance);
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(newInstance);
        var given = (options ?? new SnapshotCopyOptions()).Validated();
        var snapshot = _store.At(instance, name);
        var record = _records.Get(instance);
        using var kept = InstanceLock.Take(_folder, newInstance);
        if (_records.Find(newInstance) is not null)
        {
            throw InstanceRecordStore.Taken(newInstance);
        }

        var taken = _records.List().Select(_records.Find).OfType<InstanceRecord>().SelectMany(static other => other.Nics).Select(static nic => nic.Mac);
        return await StartAsync(snapshot, name, record with { Name = newInstance }, (_, disks) => CopyRecord.Of(record, newInstance, disks, taken), (stamp, clone) => new SnapshotCompletion
        {
            Origin = SnapshotOrigin.Cloned,
            Identity = new SnapshotIdentity { HostName = given.HostName ?? newInstance, Addresses = CopyRecord.Changes(stamp.Addresses, clone) },
        }, given, () => _records.Remove(newInstance), cancellationToken).ConfigureAwait(false);
    }

    private async Task<SnapshotReport> StartAsync(
        SnapshotFolder snapshot,
        string name,
        InstanceRecord target,
        Func<SnapshotStamp, IReadOnlyList<TargetDisk>, InstanceRecord> toRecord,
        Func<SnapshotStamp, InstanceRecord, SnapshotCompletion> toCompletion,
        SnapshotCopyOptions options,
        Action undo,
        CancellationToken cancellationToken)
    {
        var stamp = snapshot.Read();
        var file = new MachineFile(_folder, target.Name);
        var overlays = options.Disks is null ? _store.NewDisks(target.Name, name, stamp.Disks.Count) : [];
        try
        {
            var disks = options.Disks ?? await OverlaysAsync(stamp, overlays, cancellationToken).ConfigureAwait(false);
            var record = toRecord(stamp, disks);
            // Before the machine is there, so that a crash leaves none that is not known.
            _records.Put(record);
            file.Prepare();
            await using var host = new ChannelHost();
            return await _machines.RestoreAsync(snapshot, MachinePlan.Of(record, file.Folder, file.Write), toCompletion(stamp, record),
                machine => host.Attach(target.Name, machine.ChannelUri!), options.Within, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            undo();
            file.Remove();
            overlays.Where(File.Exists).ToList().ForEach(File.Delete);
            throw;
        }
    }

    private async Task<IReadOnlyList<TargetDisk>> OverlaysAsync(SnapshotStamp stamp, IReadOnlyList<string> overlays, CancellationToken cancellationToken)
    {
        if (stamp.AreDisksElsewhere)
        {
            throw Refused("the disks of the snapshot were copied by a command, so give the copies that this machine shall have (--disk)");
        }

        if (_hypervisor is null && overlays.Count > 0)
        {
            throw Refused("this hypervisor's disks have no overlays");
        }

        var result = new List<TargetDisk>();
        foreach (var (disk, overlay) in stamp.Disks.Zip(overlays))
        {
            result.Add(await _hypervisor!.OverlayAsync(new TargetDisk(disk.Path, disk.Format), overlay, cancellationToken).ConfigureAwait(false));
        }

        return result;
    }

    private static ChannelException Refused(string text) => new(ChannelError.FailedPrecondition, ErrorClass.Refused, text);
}
