using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using Spectre.Console;

namespace ChannelSdk.Demo;

/// <summary>The life of one instance: installed, booted, told who it is, frozen for a snapshot, shut down. A step that does not hold ends it with an error.</summary>
/// <param name="folder">For all files of the demo.</param>
/// <param name="system">What is installed.</param>
/// <param name="install">How it is installed.</param>
/// <param name="machine">How the installed disk is run.</param>
internal sealed class DemoScript(string folder, DemoSystem system, DemoInstall install, DemoMachine machine)
{
    private readonly List<(string Step, TimeSpan Time)> _times = [];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Say($"[bold]1. An appliance installs {system.Name} onto a blank disk[/]", isMarkup: true);
        var result = await TimeAsync("installed", () => install.RunAsync(cancellationToken));
        _times.AddRange(result.Times.Select(t => ($"  {t.Key}", t.Value)));

        Say("[bold]2. The disk boots by itself, in run mode[/]", isMarkup: true);
        await using var metadata = await DemoMetadata.StartAsync();
        await using var guest = await machine.StartAsync(install.Disk, system.MemoryMiB, metadata.Instance, cancellationToken);
        await using var host = new ChannelHost();
        var instance = host.Attach("demo", machine.Endpoint(guest), new InstanceOptions { Serve = services => services.ServeMetadata(metadata.Instance), Alarm = Console.Error.WriteLine });
        var events = ShowEventsAsync(instance, cancellationToken);
        await TimeAsync("booted, agent connected", async () =>
        {
            await instance.WaitReadyAsync(TimeSpan.FromMinutes(5), cancellationToken);
            return 0;
        });
        await ShowInfoAsync(instance, cancellationToken);
        await CheckPackageAsync(instance, cancellationToken);

        Say("[bold]3. It fetches its metadata, which change under it[/]", isMarkup: true);
        await TimeAsync("metadata fetched, changed, fetched again", async () =>
        {
            await metadata.ShowAsync(url => system.FetchAsync(instance, guest, url, cancellationToken), text => Say(text));
            return 0;
        });

        Say("[bold]4. Frozen under a lease, its disk is copied; then it thaws[/]", isMarkup: true);
        await SnapshotAsync(instance, cancellationToken);

        Say("[bold]5. It shuts down[/]", isMarkup: true);
        var gone = instance.Power.WaitGoneAsync(guest.Exited, cancellationToken);
        var power = await instance.Power.ShutdownAsync("the demo is over", cancellationToken);
        Say($"accepted: {power.How}");
        await TimeAsync("shut down", async () =>
        {
            await gone.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
            return 0;
        });
        await host.DisposeAsync();
        await events;
        ShowTimes();
    }

    private static async Task ShowInfoAsync(Instance instance, CancellationToken cancellationToken)
    {
        var info = await instance.Info.GetAsync(cancellationToken);
        var round = TimeSpan.MaxValue;
        for (var i = 0; i < 20; i++)
        {
            var next = await instance.Info.PingAsync(cancellationToken);
            round = next < round ? next : round;
        }

        var table = new Table().AddColumns("the guest says", "").HideHeaders().Border(TableBorder.Rounded);
        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(SafeText.Escape(value)));
        Row("system", info.Os?.PrettyName ?? "");
        Row("kernel", $"{info.Kernel?.Name} {info.Kernel?.Release} {info.Kernel?.Architecture}");
        Row("host name", info.HostName);
        Row("memory", $"{info.Memory?.AvailableBytes >> 20} of {info.Memory?.TotalBytes >> 20} MiB free");
        Row("agent", $"{info.Agent?.Version}, {info.Agent?.RssBytes / 1024} KiB resident");
        Row("round trip", $"{round.TotalMicroseconds:F0} us (best of 20)");
        AnsiConsole.Write(table);
    }

    private async Task CheckPackageAsync(Instance instance, CancellationToken cancellationToken)
    {
        var copy = Path.Combine(folder, "motd");
        await instance.Files.CopyOutAsync(DemoPackage.Path, copy, cancellationToken: cancellationToken);
        var found = await File.ReadAllTextAsync(copy, cancellationToken);
        Require(found == DemoPackage.Motd, $"{DemoPackage.Path} of the guest is not the package's");
        Say($"{DemoPackage.Path}: {found.Trim()}");
    }

    /// <summary>Copies the disk while the guest stands still, and has the file system on the copy checked.</summary>
    private async Task SnapshotAsync(Instance instance, CancellationToken cancellationToken)
    {
        var copy = Path.Combine(folder, "snapshot.img");
        var frozen = await TimeAsync("frozen", async () => await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60), cancellationToken: cancellationToken));
        foreach (var mount in frozen.Mounts)
        {
            Say($"  {mount.Mount} ({mount.Type}): {mount.Outcome}");
        }

        await TimeAsync("snapshot", () => RunAsync("cp", ["--sparse=always", install.Disk, copy], cancellationToken));
        var thawed = await TimeAsync("thawed", async () => await instance.Freeze.ThawAsync(cancellationToken: cancellationToken));
        Require(thawed.State == FreezeState.Thawed, "the guest did not thaw");
        // Partition 1 begins at sector 2048. No replay of the journal (-n): a frozen file system is clean.
        var verdict = await TimeAsync("snapshot checked", () => RunAsync("e2fsck", ["-f", "-n", $"{copy}?offset=1048576"], cancellationToken));
        Say($"  e2fsck: {verdict.Trim().Split('\n')[^1]}");
    }

    private static async Task<string> RunAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Require(process.ExitCode == 0, $"{program}: code {process.ExitCode}: {output}{await error}");
        return output;
    }

    private static async Task ShowEventsAsync(Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var next in instance.WatchAsync(cancellationToken))
            {
                if (next.Kind is ChannelEventKind.PeerState or ChannelEventKind.LinkLost or ChannelEventKind.SessionResumed or ChannelEventKind.SessionStarted or ChannelEventKind.SessionLost)
                {
                    Say($"  event {next.Kind}: {SafeText.Escape(next.Text)}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The demo was stopped.
        }
    }

    private async Task<T> TimeAsync<T>(string step, Func<Task<T>> action)
    {
        var start = Stopwatch.GetTimestamp();
        var result = await action();
        var time = Stopwatch.GetElapsedTime(start);
        _times.Add((step, time));
        Say($"{step} after {time.TotalSeconds:F2} s");
        return result;
    }

    private void ShowTimes()
    {
        var table = new Table().AddColumns("step", "seconds").Border(TableBorder.Rounded);
        foreach (var (step, time) in _times)
        {
            table.AddRow(Markup.Escape(step), $"{time.TotalSeconds:F2}");
        }

        AnsiConsole.Write(table);
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new ChannelException(ChannelError.Internal, ErrorClass.Fatal, otherwise);
        }
    }

    private static void Say(string text, bool isMarkup = false) => AnsiConsole.MarkupLine(isMarkup ? text : Markup.Escape(text));
}
