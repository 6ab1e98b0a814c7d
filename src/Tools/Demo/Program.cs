using ChannelSdk.Demo;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;
using Spectre.Console;

// demo APPLIANCE DEFINITIONS FORWARD [TRANSPORT]: installs a system and shows its life. ./demo builds the files and calls this.
var transports = new Dictionary<string, ApplianceTransport>
{
    ["virtio-serial"] = ApplianceTransport.VirtioSerial,
    ["vsock"] = ApplianceTransport.Vsock,
    ["tap"] = ApplianceTransport.Tap,
    ["usernet"] = ApplianceTransport.UserNet,
};
if (args.Length is < 3 or > 4 || !transports.TryGetValue(args.Length == 4 ? args[3] : "virtio-serial", out var transport))
{
    Console.Error.WriteLine($"demo: expected APPLIANCE DEFINITIONS FORWARD [{string.Join('|', transports.Keys)}]; run ./demo, which makes the files");
    return 2;
}

if (Console.IsOutputRedirected)
{
    AnsiConsole.Profile.Capabilities.Ansi = false;
    AnsiConsole.Profile.Width = 160;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
var folder = Directory.CreateTempSubdirectory("channelsdk-demo-").FullName;
try
{
    await using var machine = new DemoMachine(folder, transport, args[2]);
    var install = new DemoInstall(folder, args[0], args[1], transport, args[2], machine.GuestEndpoint);
    await new DemoScript(folder, install, machine).RunAsync(stop.Token);
    return 0;
}
catch (ChannelException e)
{
    AnsiConsole.MarkupLineInterpolated($"[red]failed[/]: {e.Message} ({e.Code}, {e.Class})");
    return 1;
}
catch (OperationCanceledException)
{
    AnsiConsole.MarkupLine("[yellow]stopped[/]: the guest was ended");
    return 130;
}
finally
{
    Directory.Delete(folder, recursive: true);
}
