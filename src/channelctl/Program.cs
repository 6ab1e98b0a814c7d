using System.CommandLine;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Tool;
using ChannelSdk.Tool.Commands;

if (HalfToolCommand.Is(args))
{
    return await HalfToolCommand.RunAsync(args);
}

var root = new RootCommand("Talks to the agent of one instance through its channel.")
{
    InfoCommand.Create(),
    PingCommand.Create(),
    WatchCommand.Create(),
    WhyCommand.Create(),
    PowerCommands.Create("shutdown", "Asks the guest to stop and switch its power off.", PowerAction.Shutdown),
    PowerCommands.Create("reboot", "Asks the guest to start again.", PowerAction.Reboot),
    PowerCommands.Create("halt", "Asks the guest to stop and leave the power on.", PowerAction.Halt),
    FreezeCommands.CreateFreeze(),
    FreezeCommands.CreateThaw(),
    MaintenanceCommands.CreateClock(),
    MaintenanceCommands.CreateTrim(),
    PowerCommands.Create("suspend", "Asks the guest to sleep with its state in memory.", PowerAction.SuspendRam),
    TransferCommands.Create("send", "Sends bytes to the guest and checks what it counted.", (measure, bytes, progress, token) => measure.SendAsync(bytes, progress, token)),
    TransferCommands.Create("receive", "Receives bytes from the guest and checks each.", (measure, bytes, progress, token) => measure.ReceiveAsync(bytes, progress, token)),
    CopyCommand.Create(),
    ExecCommand.Create(),
    MetadataCommand.Create(),
    ServeCommand.Create(),
    TapCommand.Create(),
    InstanceCommand.Create(),
    InstallCommand.Create(),
    ApplianceCommand.Create(),
    HalfToolCommand.Create(),
    QgaCommand.Create(),
};
var result = root.Parse(args);
if (result.Errors.Count > 0)
{
    foreach (var error in result.Errors)
    {
        Console.Error.WriteLine($"channelctl: {error.Message}");
    }

    Console.Error.WriteLine("channelctl: 'channelctl --help' lists the commands and their options");
    return ExitCode.Usage;
}

return await result.InvokeAsync();
