using ChannelSdk.Demo;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;
using Spectre.Console;

// demo small|debian ROOT APPLIANCE [TRANSPORT]: installs a system and shows its life. ./demo makes the files, in the project's folder ROOT, and calls this.
var transports = new Dictionary<string, ApplianceTransport>
{
    ["virtio-serial"] = ApplianceTransport.VirtioSerial,
    ["vsock"] = ApplianceTransport.Vsock,
    ["tap"] = ApplianceTransport.Tap,
    ["usernet"] = ApplianceTransport.UserNet,
};
if (args.Length is < 3 or > 4 || args[0] is not ("small" or "debian") || !transports.TryGetValue(args.Length == 4 ? args[3] : "virtio-serial", out var transport))
{
    Console.Error.WriteLine($"demo: expected small|debian ROOT APPLIANCE [{string.Join('|', transports.Keys)}]; run ./demo, which makes the files");
    return 2;
}

string InRoot(string path) => Path.GetFullPath(path, Path.GetFullPath(args[1]));
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
    DemoSystem system = args[0] == "small" ? new SmallSystem()
        : new DebianSystem(InRoot(".cache/debian-image/debian.tar"), InRoot("artifacts/agent/channel-agent"), InRoot("src/GuestAgent/packaging"));
    var forward = InRoot("artifacts/host/channel-forward");
    await using var machine = new DemoMachine(folder, transport, forward);
    var install = new DemoInstall(system, folder, args[2], InRoot("examples"), transport, forward, machine.GuestEndpoint);
    await new DemoScript(folder, system, install, machine).RunAsync(stop.Token);
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
