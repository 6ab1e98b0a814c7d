using System.CommandLine;
using ChannelSdk.Tool;
using ChannelSdk.Tool.Commands;

var root = new RootCommand("Talks to the agent of one instance through its channel.")
{
    InfoCommand.Create(),
    PingCommand.Create(),
    WatchCommand.Create(),
    PowerCommands.Create("shutdown", "Asks the guest to stop and switch its power off.", (power, reason, token) => power.ShutdownAsync(reason, token)),
    PowerCommands.Create("reboot", "Asks the guest to start again.", (power, reason, token) => power.RebootAsync(reason, token)),
    PowerCommands.Create("halt", "Asks the guest to stop and leave the power on.", (power, reason, token) => power.HaltAsync(reason, token)),
    TransferCommands.Create("send", "Sends bytes to the guest and checks what it counted.", (measure, bytes, progress, token) => measure.SendAsync(bytes, progress, token)),
    TransferCommands.Create("receive", "Receives bytes from the guest and checks each.", (measure, bytes, progress, token) => measure.ReceiveAsync(bytes, progress, token)),
    MetadataCommand.Create(),
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
