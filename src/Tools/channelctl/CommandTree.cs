using System.CommandLine;
using ChannelSdk.Cli.Commands;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Power;
using ChannelSdk.Install.Limits;

namespace ChannelSdk.Cli;

/// <summary>The commands, and one run of one of them.</summary>
internal static class CommandTree
{
    // An argument that begins with @ is an argument: no file is read for it.
    private static readonly ParserConfiguration s_parser = new() { ResponseFileTokenReplacer = null };

    /// <summary>Parses and runs a command line; every error ends as at most one line and an exit code.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="streams">The standard streams.</param>
    /// <param name="signals">Stops it.</param>
    /// <param name="limits">The administrator's file.</param>
    public static async Task<int> RunAsync(string[] args, ToolStreams streams, ToolSignals signals, string limits = HostLimits.UsualPath)
    {
        try
        {
            if (ScriptToolCommand.Is(args))
            {
                return Ended(await ScriptToolCommand.RunAsync(args, streams), signals);
            }

            var parsed = Create(signals, limits).Parse(args, s_parser);
            if (parsed.Errors.Count > 0)
            {
                Failure.Complain($"{parsed.Errors[0].Message.TrimEnd('.')}; '{PathOf(parsed.CommandResult.Command)} --help' says what it takes");
                return ExitCode.Usage;
            }

            return Ended(await parsed.InvokeAsync(streams, signals.Token), signals);
        }
        catch (Exception e)
        {
            return Ended(Failure.Tell(e), signals);
        }
    }

    /// <summary>All commands.</summary>
    public static RootCommand Create(ToolSignals signals, string limits = HostLimits.UsualPath) => new("Talks to the agent of one instance through its channel.")
    {
        InfoCommand.Create(),
        PingCommand.Create(),
        WatchCommand.Create(signals),
        WhyCommand.Create(),
        PowerCommands.Create("shutdown", "Asks the guest to stop and switch its power off.", StopAction.Shutdown),
        PowerCommands.Create("reboot", "Asks the guest to start again.", StopAction.Reboot),
        PowerCommands.Create("halt", "Asks the guest to stop and leave the power on.", StopAction.Halt),
        FreezeCommands.CreateFreeze(signals),
        FreezeCommands.CreateThaw(),
        MaintenanceCommands.CreateClock(),
        MaintenanceCommands.CreateTrim(),
        PowerCommands.Create("suspend", "Asks the guest to sleep with its state in memory.", null),
        TransferCommands.Create("send", "Sends bytes to the guest and checks what it counted.", (measure, bytes, progress, token) => measure.SendAsync(bytes, progress, token)),
        TransferCommands.Create("receive", "Receives bytes from the guest and checks each.", (measure, bytes, progress, token) => measure.ReceiveAsync(bytes, progress, token)),
        CopyCommand.Create(),
        ExecCommand.Create(signals),
        MetadataCommand.Create(),
        ServeCommand.Create(),
        TapCommand.Create(),
        InstanceCommand.Create(signals, limits),
        SnapshotCommands.Create(),
        InstallCommand.Create(signals, limits),
        ApplianceCommand.Create(),
        ScriptToolCommand.Create(),
        QgaCommand.Create(),
    };

    /// <summary>A command that was stopped ends with the code of what has stopped it.</summary>
    private static int Ended(int code, ToolSignals signals) => code == ExitCode.Stopped && signals.Code is { } stopped ? stopped : code;

    private static string PathOf(Command command)
    {
        var parents = command.Parents.OfType<Command>().FirstOrDefault();
        return parents is null ? "channelctl" : $"{PathOf(parents)} {command.Name}";
    }
}
