using System.CommandLine;
using System.Diagnostics;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Measure;
using Spectre.Console;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl send, receive</summary>
internal static class TransferCommands
{
    private static readonly TimeSpan s_linkLoss = TimeSpan.FromSeconds(30);

    public static Command Create(string name, string description, Func<MeasureClient, long, IProgress<long>, CancellationToken, Task> transfer)
    {
        var bytes = ToolOptions.Number("--bytes", "How many", 64L << 20, 1, 1L << 40);
        var command = new Command(name, description) { bytes };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var total = parsed.GetValue(bytes);
            var start = Stopwatch.GetTimestamp();
            await SilenceLimit.RunAsync(session.GivenTimeout(parsed), async (gotOn, soon) =>
            {
                if (Console.IsOutputRedirected)
                {
                    await transfer(instance.Measure, total, new Immediate(null, gotOn), soon);
                }
                else
                {
                    await AnsiConsole.Progress().Columns(new ProgressBarColumn(), new PercentageColumn(), new TransferSpeedColumn()).StartAsync(async context =>
                    {
                        var task = context.AddTask(name, maxValue: total);
                        await transfer(instance.Measure, total, new Immediate(task, gotOn), soon);
                    });
                }

                return total;
            }, cancel);

            var time = Stopwatch.GetElapsedTime(start);
            Console.WriteLine(FormattableString.Invariant($"{total} bytes in {time.TotalSeconds:F3} s, {total / time.TotalSeconds / 1e6:F1} MB/s, checksum right"));
        }, token, linkLoss: s_linkLoss));
        return command;
    }

    /// <summary>Told at once, on the transfer's own thread.</summary>
    private sealed class Immediate(ProgressTask? task, Action gotOn) : IProgress<long>
    {
        public void Report(long value)
        {
            gotOn();
            if (task is not null)
            {
                task.Value = value;
            }
        }
    }
}
