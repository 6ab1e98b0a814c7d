using System.CommandLine;
using ChannelSdk.Cli.Shared;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl ping</summary>
internal static class PingCommand
{
    public static Command Create()
    {
        var count = ToolOptions.Number("--count", "How many", 5, 1, 1_000_000);
        var command = new Command("ping", "Measures the round trip to the agent.") { count };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var times = new List<double>();
            for (var i = 0; i < parsed.GetValue(count); i++)
            {
                times.Add((await instance.Info.PingAsync(cancel)).TotalMicroseconds);
            }

            times.Sort();
            Console.WriteLine(FormattableString.Invariant($"{times.Count} calls, median {times[times.Count / 2]:F0} us, fastest {times[0]:F0} us, slowest {times[^1]:F0} us"));
        }, token));
        return command;
    }
}
