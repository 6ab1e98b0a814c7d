using System.Globalization;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using Spectre.Console;

namespace ChannelSdk.Cli.Commands;

/// <summary>An operation on a terminal: a bar for each half, and lines for what else happens. Without a terminal lines alone.</summary>
public static class InstallView
{
    /// <summary>Shows events to their end; returns the last one, null if it did not come.</summary>
    public static async Task<ResultEvent?> ShowAsync(IAsyncEnumerable<InstallEvent> events, bool json)
    {
        if (json || Console.IsOutputRedirected)
        {
            ResultEvent? result = null;
            await foreach (var next in events)
            {
                Console.WriteLine(json ? InstallEventText.Json(next) : InstallEventText.Line(next));
                result = next as ResultEvent ?? result;
            }

            return result;
        }

        return await AnsiConsole.Progress().AutoClear(false)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(context => DrawAsync(events, context));
    }

    /// <summary>Where the time went, and how it ended.</summary>
    public static void Summarize(InstallOperation operation, InstallResult result)
    {
        var table = new Table().AddColumns("phase", "seconds").Border(Console.IsOutputRedirected ? TableBorder.Ascii : TableBorder.Rounded);
        foreach (var (phase, time) in result.Times)
        {
            table.AddRow(phase.ToString(), time.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture));
        }

        AnsiConsole.Write(table);
        Console.WriteLine($"{operation.Instance}: {result.Outcome}{(result.Reason.Length > 0 ? ": " : "")}{result.Reason}");
        Console.WriteLine($"operation {operation.Id}, log {result.LogFile}");
    }

    private static async Task<ResultEvent?> DrawAsync(IAsyncEnumerable<InstallEvent> events, ProgressContext context)
    {
        ResultEvent? result = null;
        var bars = new Dictionary<InstallParty, ProgressTask>();
        await foreach (var next in events)
        {
            switch (next)
            {
                case ProgressMadeEvent progress:
                    if (!bars.TryGetValue(progress.Party, out var bar))
                    {
                        bars[progress.Party] = bar = context.AddTask(progress.Party.ToString());
                    }

                    bar.Value = progress.Percent ?? bar.Value;
                    bar.Description = Markup.Escape(Shorten($"{progress.Party}{string.Concat(progress.Steps.Select(s => $" / {s}"))} {progress.Text}"));
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
