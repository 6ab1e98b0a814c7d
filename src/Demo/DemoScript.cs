using System.Diagnostics;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using Spectre.Console;

namespace ChannelSdk.Demo;

/// <summary>One guest from its boot to its shutdown, step by step; a step that does not hold ends it with an error.</summary>
internal sealed class DemoScript(string kernel, string initrd, long bytes)
{
    private readonly List<(string Step, TimeSpan Time)> _times = [];
    private long _lastShown;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var options = new QemuOptions { Kernel = kernel, Initrd = initrd };
        await using var guest = await TimeAsync($"QEMU started ({options.EffectiveAccelerator})", () => QemuGuest.StartAsync(options, cancellationToken));
        await using var host = new HostEndpoint.HostEndpoint();
        await using var metadata = await DemoMetadata.StartAsync();
        var instance = host.Attach("demo", guest.ChannelUri, new InstanceOptions { Metadata = metadata.Instance });
        Say($"attached to {instance.EndpointUri}, waiting for the guest to announce itself");
        var events = ShowEventsAsync(instance, cancellationToken);
        await TimeAsync("guest booted and agent connected", async () =>
        {
            await instance.WaitReadyAsync(cancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(120), cancellationToken);
            return 0;
        });

        await ShowInfoAsync(instance, cancellationToken);
        await TransferAsync("to the guest", instance, instance.Measure.SendAsync, cancellationToken);
        await TransferAsync("from the guest", instance, instance.Measure.ReceiveAsync, cancellationToken);

        await TimeAsync("metadata fetched in the guest, and changed live", async () =>
        {
            await metadata.ShowAsync(guest.ConsoleSocket, text => Say(text), cancellationToken);
            return 0;
        });

        var gone = instance.Power.WaitGoneAsync(guest.Exited, cancellationToken);
        var power = await instance.Power.ShutdownAsync("the demo is over", cancellationToken);
        Say($"shutdown accepted: {power.How}");
        await TimeAsync("guest shut down", async () =>
        {
            await gone.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
            return 0;
        });
        Say("[green]the guest is gone[/]", isMarkup: true);
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
        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(GuestText.Escape(value)));
        Row("system", info.Os.PrettyName);
        Row("kernel", $"{info.Kernel.Name} {info.Kernel.Release} {info.Kernel.Architecture}");
        Row("host name", info.HostName);
        Row("memory", $"{info.Memory.AvailableBytes >> 20} of {info.Memory.TotalBytes >> 20} MiB free");
        Row("agent", $"{info.Agent.Version}, {info.Agent.RssBytes / 1024} KiB resident");
        Row("round trip", $"{round.TotalMicroseconds:F0} us (best of 20)");
        AnsiConsole.Write(table);
    }

    /// <summary>A transfer whose link is cut in its middle; the checksum at its end proves that nothing was lost.</summary>
    private async Task TransferAsync(string direction, Instance instance, Func<long, IProgress<long>, CancellationToken, Task> transfer, CancellationToken cancellationToken)
    {
        var resumes = instance.Channel.Status.Resumes;
        var isCut = false;
        _lastShown = 0;
        var start = Stopwatch.GetTimestamp();
        await AnsiConsole.Progress().Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn())
            .StartAsync(async context =>
            {
                var task = context.AddTask($"{bytes >> 20} MiB {direction}", maxValue: bytes);
                await transfer(bytes, new Immediate(done =>
                {
                    task.Value = done;
                    ShowPlain(direction, done, start);
                    if (!isCut && done > bytes / 2)
                    {
                        isCut = true;
                        instance.DropLink("the demo cuts the link");
                    }
                }), cancellationToken);
            });
        var time = Stopwatch.GetElapsedTime(start);
        _times.Add(($"{bytes >> 20} MiB {direction}", time));
        var resumed = instance.Channel.Status.Resumes - resumes;
        if (resumed < 1)
        {
            throw new ChannelException(ChannelError.SessionLost, ErrorClass.Fatal, "the link was cut and no resume was counted");
        }

        Say($"{bytes / time.TotalSeconds / 1e6:F0} MB/s {direction}; link cut and resumed {resumed} time(s); checksum right, nothing lost");
    }

    private void ShowPlain(string direction, long done, long start)
    {
        if (AnsiConsole.Profile.Capabilities.Interactive || done - _lastShown < bytes / 4)
        {
            return;
        }

        _lastShown = done;
        Console.WriteLine($"  {done >> 20} MiB {direction}, {done / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e6:F0} MB/s");
    }

    private static async Task ShowEventsAsync(Instance instance, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var next in instance.WatchAsync(cancellationToken))
            {
                if (next.Kind is ChannelEventKind.PeerState or ChannelEventKind.LinkLost or ChannelEventKind.SessionResumed or ChannelEventKind.SessionStarted or ChannelEventKind.SessionLost)
                {
                    Say($"  event {next.Kind}: {GuestText.Escape(next.Text)}");
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

    private static void Say(string text, bool isMarkup = false) => AnsiConsole.MarkupLine(isMarkup ? text : Markup.Escape(text));

    /// <summary>Progress without a synchronization context: told at once, on the transfer's own thread.</summary>
    private sealed class Immediate(Action<long> report) : IProgress<long>
    {
        public void Report(long value) => report(value);
    }
}
