using ChannelSdk.Demo;
using ChannelSdk.Protocol;
using Spectre.Console;

// demo KERNEL INITRD [MEBIBYTES]: boots a guest and shows what the channel does. ./demo builds the files and calls this.
if (args.Length is < 2 or > 3 || (args.Length == 3 && (!int.TryParse(args[2], out var mebibytes) || mebibytes is < 1 or > 65536)))
{
    Console.Error.WriteLine("demo: expected KERNEL INITRD [MEBIBYTES 1..65536]; run ./demo, which makes the files");
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
try
{
    await new DemoScript(args[0], args[1], args.Length == 3 ? long.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture) << 20 : 64L << 20).RunAsync(stop.Token);
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
