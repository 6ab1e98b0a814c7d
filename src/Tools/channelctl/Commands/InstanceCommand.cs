using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl instance: the records of instances here, their machines in <see cref="MachineCommands"/>.</summary>
internal static class InstanceCommand
{
    public static Command Create(ToolSignals signals, string limits) => new("instance", "Sets and shows what is kept of an instance for its installs and starts; starts and stops it.")
    {
        Set(), Show(), List(), Rename(), Remove(),
        MachineCommands.Start(signals, limits), MachineCommands.Stop(), MachineCommands.Reinstall(signals, limits), MachineCommands.Console(signals), MachineCommands.Status(),
    };

    private static Command Set()
    {
        var mode = ToolOptions.Choice<ExecutionMode?>("--mode", "What the instance is to do", [.. MachineCommands.Modes.Select(static m => (m.Word, (ExecutionMode?)m.Mode))]);
        var communication = ToolOptions.Choice<bool?>("--communication", "Whether it has a channel in run mode", ("true", true), ("false", false));
        var hypervisor = new Option<string>("--hypervisor") { Description = "What runs it, by the name that its definition's scripts know, for instance kvm or xen-pvm" };
        var hypervisorParameters = new Option<string[]>("--hv") { Description = "NAME=VALUE: a parameter of the hypervisor; may be given several times" };
        var backendParameters = new Option<string[]>("--be") { Description = "NAME=VALUE: what it needs of the host, for instance maxmem=1024; may be given several times" };
        var memory = ToolOptions.Number("--memory", $"Its memory in MiB, which is {InstanceRecord.MemoryParameter} of --be", 1, 16 << 20);
        var cpus = ToolOptions.Number("--cpus", $"Its processors, which are {InstanceRecord.CpusParameter} of --be", 1, 255);
        var disks = new Option<string[]>("--disk") { Description = $"{DiskOption.Help}; may be given several times, and then replaces all that the record has; empty: none" };
        var nics = new Option<string[]>("--nic") { Description = $"{NicOption.Help}; may be given several times, and then replaces all that the record has; empty: none" };
        var os = new Option<string>("--os") { Description = "Name of the OS definition, with +VARIANT behind it where it has variants" };
        var image = new ImageOptionSet();
        var package = new Option<string>("--package") { Description = "URL of its personalization package, without credentials; empty: none" };
        var parameters = new Option<string[]>("--parameter") { Description = "NAME=VALUE: a public OS parameter; may be given several times" };
        var privates = new Option<string[]>("--private") { Description = $"NAME=SOURCE: a private OS parameter, whose value is read from {SecretSource.Help}; may be given several times" };
        var secrets = new Option<string[]>("--secret") { Description = "NAME: an OS parameter whose value is given to each operation; may be given several times" };
        var selfInstall = new Option<string[]>("--self-install") { Description = "NAME=VALUE: with what it is started to install itself; may be given several times" };
        var remove = new Option<string[]>("--unset") { Description = "NAME: an OS parameter to be removed; may be given several times" };
        var command = new Command("set", "Makes an instance's record or changes what is given.") { mode, communication, hypervisor, hypervisorParameters, backendParameters, memory, cpus, disks, nics, os, package, parameters, privates, secrets, selfInstall, remove };
        image.AddTo(command);
        return Of(command, async (target, parsed, cancel) =>
        {
            var record = target.Store.Find(target.Name) ?? new InstanceRecord { Name = target.Name };
            record = record with
            {
                Mode = parsed.GetValue(mode) ?? record.Mode,
                Communication = parsed.GetValue(communication) ?? record.Communication,
                Hypervisor = parsed.GetValue(hypervisor) ?? record.Hypervisor,
                HypervisorParameters = WithPairs(record.HypervisorParameters, parsed.GetValue(hypervisorParameters), "--hv"),
                BackendParameters = WithPairs(record.BackendParameters,
                    [
                        .. parsed.GetValue(backendParameters) ?? [],
                        .. Pair(InstanceRecord.MemoryParameter, parsed.GetValue(memory)), .. Pair(InstanceRecord.CpusParameter, parsed.GetValue(cpus)),
                    ], "--be"),
                SelfInstall = WithPairs(record.SelfInstall, parsed.GetValue(selfInstall), "--self-install"),
                Disks = parsed.GetValue(disks) is { Length: > 0 } images ? [.. images.Where(static text => text.Length > 0).Select(Disk)] : record.Disks,
                Nics = parsed.GetValue(nics) is { Length: > 0 } given ? [.. given.Where(static text => text.Length > 0).Select(NicOption.Parse)] : record.Nics,
                OsDefinition = parsed.GetValue(os) ?? (image.IsNamed(parsed) ? null : record.OsDefinition),
                OsImage = parsed.GetValue(os) is null ? record.OsImage : null,
                ImageRules = parsed.GetValue(os) is null ? record.ImageRules : new ImageRules(),
                PersonalizationUrl = parsed.GetValue(package) is { } url ? url.Length == 0 ? null : url : record.PersonalizationUrl,
            };
            record = image.Apply(record, parsed);
            foreach (var each in parsed.GetValue(parameters) ?? [])
            {
                var (key, value) = StateOption.Pair(each, "--parameter");
                record = record.With(key, OsParameter.Public(value));
            }

            foreach (var each in parsed.GetValue(privates) ?? [])
            {
                var (key, source) = StateOption.Pair(each, "--private");
                record = record.With(key, OsParameter.Private(await SecretSource.ReadTextAsync(source, "the value of a private parameter", cancel)));
            }

            record = (parsed.GetValue(secrets) ?? []).Aggregate(record, (r, key) => r.With(key, OsParameter.Secret(null)));
            record = (parsed.GetValue(remove) ?? []).Aggregate(record, (r, key) => r.Without(key));
            target.Store.Put(record);
        });
    }

    private static Command Show() => Of(new Command("show", "Prints a record as JSON, without the values of private and secret parameters."),
        target => Console.WriteLine(InstanceRecordStore.ToPublicJson(target.Store.Get(target.Name))));

    private static Command List()
    {
        var state = StateOption.Create();
        var command = new Command("list", "Prints the names of the instances that have a record, one a line.") { state };
        command.SetAction(parsed => StateOption.RunAsync(() =>
        {
            foreach (var name in StateOption.Records(parsed.GetValue(state)!).List())
            {
                Console.WriteLine(name);
            }

            return Task.FromResult(ExitCode.Ok);
        }));
        return command;
    }

    private static Command Rename()
    {
        var newName = new Argument<string>("NEW-NAME") { Description = $"Its new name, which no instance has: {InstanceName.Rule}" };
        var command = new Command("rename", "Gives an instance's record another name, with its private values. What is installed is told by 'install rename', which renames the record, too.") { newName };
        return Of(command, (target, parsed, _) =>
        {
            target.Store.Get(target.Name);
            using var kept = InstanceLock.Take(target.State, target.Name, parsed.GetValue(newName)!);
            InstanceMachines.RequireStopped(target.State, target.Name, "it is found by its name");
            target.Store.Rename(target.Name, parsed.GetValue(newName)!);
            return Task.CompletedTask;
        });
    }

    private static Command Remove() => Of(new Command("remove", "Removes an instance's record, but not while an operation on it runs; one that is not there is no error."), target =>
    {
        // By the list, as a damaged record can be removed, too.
        if (target.Store.List().Contains(target.Name))
        {
            using var kept = InstanceLock.Take(target.State, target.Name);
            InstanceMachines.RequireStopped(target.State, target.Name, "it is stopped by what its record says");
            target.Store.Remove(target.Name);
        }
        else
        {
            InstanceName.Check(target.Name);
        }
    });

    private static Command Of(Command command, Action<Target> action) => Of(command, (target, _, _) =>
    {
        action(target);
        return Task.CompletedTask;
    });

    private static Command Of(Command command, Func<Target, ParseResult, CancellationToken, Task> action)
    {
        var instance = new Argument<string>("INSTANCE") { Description = "Name of the instance" };
        var state = StateOption.Create();
        command.Arguments.Insert(0, instance);
        command.Add(state);
        command.SetAction((parsed, cancel) => StateOption.RunAsync(async () =>
        {
            var folder = parsed.GetValue(state)!;
            await action(new Target(folder, StateOption.Records(folder), parsed.GetValue(instance)!), parsed, cancel);
            return ExitCode.Ok;
        }));
        return command;
    }

    private static string[] Pair(string name, long? value) => value is { } number ? [FormattableString.Invariant($"{name}={number}")] : [];

    // The record is read in other folders.
    private static TargetDisk Disk(string text) => DiskOption.Parse(text) is var disk && ToolOptions.WhyNoPath(disk.Path) is null ? disk with { Path = Path.GetFullPath(disk.Path) } : disk;

    private static Dictionary<string, string> WithPairs(IReadOnlyDictionary<string, string> pairs, string[]? given, string option)
    {
        var result = new Dictionary<string, string>(pairs);
        foreach (var each in given ?? [])
        {
            var (key, value) = StateOption.Pair(each, option);
            result[key] = value;
        }

        return result;
    }

    /// <summary>The record that a command is about.</summary>
    private sealed record Target(string State, InstanceRecordStore Store, string Name);
}
