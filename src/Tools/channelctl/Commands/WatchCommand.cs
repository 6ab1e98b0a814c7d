using System.CommandLine;
using ChannelSdk.Channels;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl watch</summary>
internal static class WatchCommand
{
    public static Command Create(ToolSignals signals)
    {
        var command = new Command("watch", "Prints the instance's events until it is stopped: link, session, state of the agent.");
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            ToolStreams.Of(parsed).OnReaderGone(() => signals.End(ExitCode.ReaderGone));
            var events = instance.WatchAsync(cancel);
            if (instance.Channel.Status is { LinkState: LinkState.Up, Peer: { } peer })
            {
                // It came up before anybody watched, and may be silent for long; said twice is better than not at all.
                Console.WriteLine($"{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ss.fffZ} {ChannelEventKind.LinkUp} link to {SafeText.Escape(peer.ToString())} is up");
            }

            await foreach (var next in events)
            {
                Console.WriteLine($"{next.At:yyyy-MM-ddTHH:mm:ss.fffZ} {next.Kind} {Describe(next)}");
            }
        }, token, waitReady: false));
        return command;
    }

    private static string Describe(ChannelEvent e) => e.Heartbeat is { } heartbeat
        ? $"{heartbeat.State}{(heartbeat.Until is { } until ? $" until {until:u}" : "")}{(heartbeat.Detail != 0 ? $" {heartbeat.Detail}" : "")}"
        : SafeText.Escape(e.Text);
}
