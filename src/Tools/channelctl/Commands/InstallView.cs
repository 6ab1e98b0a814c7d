using System.Globalization;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using Spectre.Console;

namespace ChannelSdk.Cli.Commands;

/// <summary>An operation on a terminal: a bar for each half, and lines for what else happens. Without a terminal lines alone.</summary>
public static class InstallView
{
    private const double Whole = 100;

    /// <summary>Shows events to their end; returns the last one, null if it did not come.</summary>
    /// <param name="events">The events.</param>
    /// <param name="json">Whether as JSON.</param>
    /// <param name="output">Where lines go; null: standard output, where there are bars on a terminal.</param>
    public static async Task<ResultEvent?> ShowAsync(IAsyncEnumerable<InstallEvent> events, bool json, TextWriter? output = null)
    {
        if (json || output is not null || Console.IsOutputRedirected)
        {
            output ??= Console.Out;
            ResultEvent? result = null;
            await foreach (var next in events)
            {
                await output.WriteLineAsync(json ? InstallEventText.Json(next) : InstallEventText.Line(next));
                result = next as ResultEvent ?? result;
            }

            return result;
        }

        return await AnsiConsole.Progress().AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(context => DrawAsync(events, context));
    }

    /// <summary>Where the time went, and how it ended.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="result">Its result.</param>
    /// <param name="output">Where it goes; null: standard output.</param>
    public static void Summarize(InstallOperation operation, InstallResult result, TextWriter? output = null)
    {
        var table = new Table().AddColumns("phase", "seconds").Border(output is not null || Console.IsOutputRedirected ? TableBorder.Ascii : TableBorder.Rounded);
        foreach (var (phase, time) in result.Times)
        {
            table.AddRow(phase.ToString(), time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture));
        }

        (output is null ? AnsiConsole.Console : AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) })).Write(table);
        output ??= Console.Out;
        output.WriteLine($"{operation.Instance}: {result.Outcome}{(result.Reason.Length > 0 ? ": " : "")}{result.Reason}");
        output.WriteLine($"operation {operation.Id}, log {result.LogFile}");
    }

    private static async Task<ResultEvent?> DrawAsync(IAsyncEnumerable<InstallEvent> events, ProgressContext context)
    {
        ResultEvent? result = null;
        var bars = new Dictionary<string, ProgressTask>();
        ProgressTask Bar(string name) => bars.TryGetValue(name, out var bar) ? bar : bars[name] = context.AddTask(name);
        await foreach (var next in events)
        {
            switch (next)
            {
                case ProgressMadeEvent progress:
                    var bar = Bar(progress.Party.ToString());
                    bar.Value = progress.Percent ?? bar.Value;
                    bar.Description = Markup.Escape(Shorten($"{progress.Party}{string.Concat(progress.Steps.Select(s => $" / {s}"))} {progress.Text}"));
                    break;
                case DataMovedEvent { Sha256: null } data:
                    Bar($"disk {data.Disk}").Value = data.Total is > 0 and var total ? Math.Min(Whole, Whole * data.Bytes / total) : 0;
                    break;
                case ImageReadEvent { Sha256: null } image:
                    Bar("image").Value = image.Total is > 0 and var size ? Math.Min(Whole, Whole * image.Bytes / size) : 0;
                    break;
                case ResultEvent end:
                    result = end;
                    break;
                default:
                    AnsiConsole.MarkupLine(Markup.Escape(InstallEventText.Line(next)));
                    break;
            }
        }

        foreach (var bar in bars.Values)
        {
            bar.StopTask();
        }

        return result;
    }

    private static string Shorten(string text) => text.Length <= 60 ? text : text[..59] + "…";
}
