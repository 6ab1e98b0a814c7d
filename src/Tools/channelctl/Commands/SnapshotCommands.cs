using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Records;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl snapshot create, restore, clone, list, remove: snapshots of instances that run, and machines that start from them.</summary>
internal static class SnapshotCommands
{
    public static Command Create() => new("snapshot", "Takes snapshots of instances that run, and starts machines from them, whose guests repair themselves before they are ready.")
    {
        Take(), Restore(), Clone(), List(), Remove(),
    };

    private static Command Take()
    {
        var kind = ToolOptions.Choice("--kind", "What it has in it; memory without it", ("memory", (SnapshotKind?)SnapshotKind.Memory), ("disk", SnapshotKind.Disk));
        var noGate = ToolOptions.Flag("--no-gate", "Programs of the guest are not stopped, so that those of a copy run before it is repaired");
        var freeze = ToolOptions.Flag("--freeze", "File systems are frozen, as they are for --kind disk without it");
        var lease = ToolOptions.Seconds("--lease", "Seconds after which the guest goes on by itself", 60, 1, 86_400);
        var copy = new Option<string>("--disk-command") { Description = "A command of the shell that copies the disks while they stand still, with INSTANCE, SNAPSHOT, DISK_COUNT and DISK_0_PATH in its environment; without it overlays take all further writes, which disks under Xen do not have" };
        var json = Json();
        var command = new Command("create", "Takes a snapshot of an instance, which goes on.") { kind, noGate, freeze, lease, copy, json };
        return Of(command, async (target, parsed, cancel) =>
        {
            var isDisk = parsed.GetValue(kind) == SnapshotKind.Disk;
            var record = target.Records.Get(target.Instance);
            var stamp = await Snapshots(target, record).CreateAsync(target.Instance, target.Snapshot, new SnapshotRequest
            {
                Kind = isDisk ? SnapshotKind.Disk : SnapshotKind.Memory,
                Gate = !isDisk && !parsed.GetValue(noGate),
                Freeze = isDisk || parsed.GetValue(freeze),
                Lease = TimeSpan.FromSeconds(parsed.GetValue(lease)),
            }, parsed.GetValue(copy) is { } line ? token => DiskCommand.RunAsync(line, target.Instance, target.Snapshot, record.Disks, token) : null, cancel);
            SnapshotView.Show(target.Instance, [(target.Snapshot, stamp)], parsed.GetValue(json));
        });
    }

    private static Command Restore()
    {
        var (disks, timeout, json) = (Disks(), Timeout(), Json());
        return Of(new Command("restore", "Puts an instance that is stopped back to a snapshot of it; what its disks got since is lost.") { disks, timeout, json }, async (target, parsed, cancel) =>
            SnapshotView.Show(target.Instance, await Snapshots(target, target.Records.Get(target.Instance)).RestoreAsync(
                target.Instance, target.Snapshot, Copy(parsed, disks, timeout), cancel), parsed.GetValue(json)));
    }

    private static Command Clone()
    {
        var (disks, timeout, json) = (Disks(), Timeout(), Json());
        var newInstance = new Argument<string>("NEW-INSTANCE") { Description = "Name of the new instance, which has no record" };
        var hostName = new Option<string>("--host-name") { Description = "Host name of the clone; the new instance's name without it; empty: it stays" };
        var command = new Command("clone", "Starts a new instance from a snapshot, with a record of its own and new hardware addresses.") { newInstance, hostName, disks, timeout, json };
        return Of(command, async (target, parsed, cancel) =>
        {
            var name = parsed.GetValue(newInstance)!;
            SnapshotView.Show(name, await Snapshots(target, target.Records.Get(target.Instance)).CloneAsync(
                target.Instance, target.Snapshot, name, Copy(parsed, disks, timeout) with { HostName = parsed.GetValue(hostName) }, cancel), parsed.GetValue(json));
        });
    }

    private static Command List()
    {
        var (instance, state, json) = (Instance(), StateOption.Create(), Json());
        instance.Arity = ArgumentArity.ZeroOrOne;
        var command = new Command("list", "Prints the snapshots of an instance, or of all, one a line.") { instance, state, json };
        command.SetAction(parsed => StateOption.RunAsync(() =>
        {
            var folder = parsed.GetValue(state)!;
            foreach (var name in parsed.GetValue(instance) is { } one ? [one] : StateOption.Records(folder).List())
            {
                SnapshotView.Show(name, InstanceSnapshots.List(folder, name), parsed.GetValue(json));
            }

            return Task.FromResult(ExitCode.Ok);
        }));
        return command;
    }

    private static Command Remove() => Of(
        new Command("remove", "Removes a snapshot's memory and its description; the disks stay, as machines go on from them. One that is not there is no error."), (target, _, _) =>
        {
            Console.WriteLine(InstanceSnapshots.Remove(target.State, target.Instance, target.Snapshot) ? $"{target.Snapshot} is removed" : $"there was no {target.Snapshot}");
            return Task.CompletedTask;
        });

    private static InstanceSnapshots Snapshots(Target target, InstanceRecord record)
    {
        var launcher = MachineCommands.Launcher(record, null);
        return new InstanceSnapshots(target.State, target.Records, launcher, launcher switch
        {
            QemuMachineLauncher qemu => new QemuSnapshots(qemu),
            XlMachineLauncher xl => new XlSnapshots(xl),
            _ => null,
        });
    }

    private static SnapshotCopyOptions Copy(ParseResult parsed, Option<string[]> disks, Option<double> timeout) => new()
    {
        Disks = parsed.GetValue(disks) is { Length: > 0 } given ? [.. given.Select(DiskOption.Parse).Select(static disk => disk with { Path = Path.GetFullPath(disk.Path) })] : null,
        Within = TimeSpan.FromSeconds(parsed.GetValue(timeout)),
    };

    private static Option<string[]> Disks() => new("--disk") { Description = $"{DiskOption.Help}, of a snapshot whose disks were copied by a command; may be given several times" };

    private static Option<double> Timeout() => ToolOptions.Seconds("--timeout", "Seconds that it may take until the guest is ready", 180, 0.01, 86_400);

    private static Option<bool> Json() => ToolOptions.Flag("--json", "Print JSON");

    private static Argument<string> Instance() => new("INSTANCE") { Description = "Name of the instance" };

    private static Command Of(Command command, Func<Target, ParseResult, CancellationToken, Task> action)
    {
        var (instance, state) = (Instance(), StateOption.Create());
        var name = new Argument<string>("NAME") { Description = "Name of the snapshot: 1 to 63 characters of a-z, 0-9, dot, hyphen and underscore" };
        command.Arguments.Insert(0, name);
        command.Arguments.Insert(0, instance);
        command.Add(state);
        command.SetAction((parsed, cancel) => StateOption.RunAsync(async () =>
        {
            var folder = parsed.GetValue(state)!;
            try
            {
                await action(new Target(folder, StateOption.Records(folder), parsed.GetValue(instance)!, parsed.GetValue(name)!), parsed, cancel);
            }
            catch (SnapshotFailedException e)
            {
                SnapshotView.ShowSteps(e.Report);
                throw;
            }

            return ExitCode.Ok;
        }));
        return command;
    }

    /// <summary>The snapshot that a command is about.</summary>
    private sealed record Target(string State, InstanceRecordStore Records, string Instance, string Snapshot);
}
