using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Machines;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl instance start, stop, reinstall, console, status: the machines of instances.</summary>
internal static class MachineCommands
{
    /// <summary>The modes by their words.</summary>
    public static readonly (string Word, ExecutionMode Mode)[] Modes = [("run", ExecutionMode.Run), ("self_install", ExecutionMode.SelfInstall), ("install", ExecutionMode.Install)];

    private static readonly TimeSpan s_stopTime = TimeSpan.FromSeconds(60);

    public static Command Start(ToolSignals signals, string limits) => InstallCommand.Operation(signals, limits, InstallAction.Create,
        "Starts an instance as its mode says: in run its machine, which goes on by itself; in self_install its machine, until it has installed itself; in install the create of its OS definition.",
        "start", StartAsync);

    public static Command Reinstall(ToolSignals signals, string limits)
    {
        var force = ToolOptions.Flag("--force", "Stop the instance if it runs, and start it again when it is installed");
        var command = InstallCommand.Operation(signals, limits, InstallAction.Create,
            "Installs an instance again, in place of its system: by the create of its OS definition, or in mode self_install by itself. Its mode stays.",
            "reinstall", (inputs, cancel) => ReinstallAsync(inputs, inputs.Parsed.GetValue(force), cancel));
        command.Add(force);
        return command;
    }

    public static Command Stop()
    {
        var timeout = ToolOptions.Seconds("--timeout", "Seconds that the guest may take", s_stopTime.TotalSeconds, 0, 86_400);
        var force = ToolOptions.Flag("--force", "End a guest that has not stopped by then");
        var command = new Command("stop", "Stops an instance: asks its agent, if it has a channel, else its machine's power button; one that does not run is no error.") { timeout, force };
        return Of(command, Name(), async (state, instance, parsed, cancel) =>
        {
            var launcher = StateOption.Records(state).Find(instance) is { } record ? Launcher(record, null) : new QemuMachineLauncher(new QemuMachineOptions());
            var ran = await new InstanceMachines(state, StateOption.Records(state), launcher).StopAsync(instance, TimeSpan.FromSeconds(parsed.GetValue(timeout)), parsed.GetValue(force), cancel);
            System.Console.WriteLine(ran ? $"{instance} has stopped" : $"{instance} did not run");
            return ExitCode.Ok;
        });
    }

    public static Command Console(ToolSignals signals) => Of(
        new Command("console", "Connects the terminal to an instance's console, which has one client at a time; Ctrl-] ends it. Nothing is kept of what the instance writes meanwhile."),
        Name(), (state, instance, parsed, cancel) => ConsoleLink.RunAsync(Running(state, instance), ToolStreams.Of(parsed), signals, cancel));

    public static Command Status()
    {
        var name = Name();
        name.Arity = ArgumentArity.ZeroOrOne;
        return Of(new Command("status", "Prints of an instance, or of all, one a line: name, mode, and whether its machine runs."), name, (state, instance, _, _) =>
        {
            var records = StateOption.Records(state);
            foreach (var record in instance is null ? records.List().Select(records.Get) : [records.Get(instance)])
            {
                var word = WordOf(record.Mode);
                System.Console.WriteLine(InstanceMachines.Find(state, record.Name) is { } machine
                    ? $"{record.Name} {word} running since {machine.Started:u} process {machine.Process.Id} {(machine.ChannelUri is { } uri ? $"channel {uri}" : "no channel")}"
                    : $"{record.Name} {word} stopped");
            }

            return Task.FromResult(ExitCode.Ok);
        });
    }

    private static async Task<int> StartAsync(InstallInputs inputs, CancellationToken cancel)
    {
        var records = StateOption.Records(inputs.State);
        var record = records.Get(inputs.Instance);
        switch (record.Mode)
        {
            case ExecutionMode.Install:
                return await inputs.CreateAsync(false);
            case ExecutionMode.SelfInstall:
                inputs.Allow("self_install", "--secret", "--deadline", "--json", "--forward-program");
                return await SelfInstallAsync(inputs, record, cancel);
            default:
                inputs.Allow("run");
                return await RunAsync(inputs.State, record, cancel);
        }
    }

    private static async Task<int> ReinstallAsync(InstallInputs inputs, bool force, CancellationToken cancel)
    {
        var records = StateOption.Records(inputs.State);
        var record = records.Get(inputs.Instance);
        var ran = InstanceMachines.Find(inputs.State, inputs.Instance) is not null;
        if (!force)
        {
            InstanceMachines.RequireStopped(inputs.State, inputs.Instance, "a reinstall writes over its disks, for which --force stops it");
        }
        else if (ran)
        {
            await new InstanceMachines(inputs.State, records, Launcher(record, null)).StopAsync(inputs.Instance, s_stopTime, force: true, cancel);
        }

        if (record.Mode == ExecutionMode.SelfInstall)
        {
            inputs.Allow("self_install", "--secret", "--deadline", "--json", "--forward-program", "--force");
            return await SelfInstallAsync(inputs, record, cancel);
        }

        var code = await inputs.CreateAsync(true);
        return code == ExitCode.Ok && ran && record.Mode == ExecutionMode.Run ? await RunAsync(inputs.State, record, cancel) : code;
    }

    private static async Task<int> RunAsync(string state, InstanceRecord record, CancellationToken cancel)
    {
        foreach (var doubt in record.Disks.Select(DiskHeader.DoubtOf).OfType<string>())
        {
            Failure.Complain($"warning: {doubt}");
        }

        var machine = await new InstanceMachines(state, StateOption.Records(state), Launcher(record, null)).StartAsync(record.Name, cancel);
        System.Console.WriteLine($"{record.Name} runs, process {machine.Process.Id}, {(machine.ChannelUri is { } uri ? $"channel {uri}" : "no channel")}");
        return ExitCode.Ok;
    }

    private static async Task<int> SelfInstallAsync(InstallInputs inputs, InstanceRecord record, CancellationToken cancel)
    {
        var operation = SelfInstallOperation.Start(inputs.State, StateOption.Records(inputs.State), record.Name, Launcher(record, inputs.ForwardProgram), inputs.Deadline(), await inputs.SecretsAsync(), cancel);
        // The machine is ended before this process is.
        inputs.Signals.Grace = null;
        await InstallView.ShowAsync(operation.Events.ReadAsync(0, CancellationToken.None), inputs.IsJson);
        var result = await operation.Completion;
        if (!inputs.IsJson)
        {
            System.Console.WriteLine($"{record.Name}: {result.Outcome}{(result.Reason.Length > 0 ? ": " : "")}{result.Reason}");
        }

        return ExitCode.Of(result.Outcome);
    }

    private static RunningMachine Running(string state, string instance) => InstanceMachines.Find(state, instance)
        ?? throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"{instance} does not run");

    /// <summary>What starts and ends the machine of a record.</summary>
    public static IMachineLauncher Launcher(InstanceRecord record, string? forward) => record.Hypervisor switch
    {
        "kvm" => new QemuMachineLauncher(new QemuMachineOptions { ForwardProgram = forward ?? Path.Combine(AppContext.BaseDirectory, "channel-forward") }),
        "xen-pvm" => new XlMachineLauncher(new XlMachineOptions()),
        "xen-pvh" => new XlMachineLauncher(new XlMachineOptions { Type = XenDomainType.Pvh }),
        _ => throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{record.Name} is of the hypervisor {record.Hypervisor}; a machine is started under kvm, xen-pvm or xen-pvh"),
    };

    private static string WordOf(ExecutionMode mode) => Modes.First(m => m.Mode == mode).Word;

    private static Argument<string> Name() => new("INSTANCE") { Description = "Name of the instance" };

    private static Command Of(Command command, Argument<string> instance, Func<string, string, ParseResult, CancellationToken, Task<int>> action)
    {
        var state = StateOption.Create();
        command.Add(instance);
        command.Add(state);
        command.SetAction((parsed, cancel) => StateOption.RunAsync(() => action(parsed.GetValue(state)!, parsed.GetValue(instance)!, parsed, cancel)));
        return command;
    }
}
