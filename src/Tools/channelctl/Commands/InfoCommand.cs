using System.CommandLine;
using System.Globalization;
using ChannelSdk.Channels;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Connection;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Info;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl info</summary>
internal static class InfoCommand
{
    /// <summary>Entries of a list that are shown; a guest may send as many as a message holds.</summary>
    private const int MaxShown = 64;

    public static Command Create()
    {
        var json = ToolOptions.Flag("--json", "Print JSON, with the names of info.proto");
        var command = new Command("info", "Shows what the guest says of itself.") { json };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            if (parsed.GetValue(json))
            {
                // The contract's own message: its names, and its texts as JSON has them.
                Console.WriteLine(MessageJson.Format(await instance.Channel.CallAsync(InfoMethods.Get, new InfoRequest(), new CallOptions(session.CallTimeout(parsed)), cancel)));
                return;
            }

            var info = await instance.Info.GetAsync(cancel);
            var rows = Rows(info, instance.Agent).ToList();
            var width = Math.Min(40, rows.Max(r => r.Name.Length));
            foreach (var (name, value) in rows)
            {
                Console.WriteLine($"{name.PadRight(width)}  {value}".TrimEnd());
            }
        }, token));
        return command;
    }

    // Every field is a claim, and any of them may be missing.
    private static IEnumerable<(string Name, string Value)> Rows(Host.Info.GuestInfo info, AgentKind agent)
    {
        static (string, string) Row(string name, string value) => (SafeText.Escape(name, 80), SafeText.Escape(value));
        yield return Row("system", info.Os?.PrettyName ?? "");
        yield return Row("kernel", info.Kernel is { } kernel ? $"{kernel.Name} {kernel.Release} {kernel.Architecture}" : "");
        yield return Row("host name", info.HostName);
        // qemu-ga does not tell these.
        if (info.Memory is { TotalBytes: > 0 } memory)
        {
            yield return Row("up", info.Uptime.ToString(@"d\.hh\:mm\:ss", CultureInfo.InvariantCulture));
            yield return Row("memory", $"{memory.AvailableBytes >> 20} of {memory.TotalBytes >> 20} MiB available");
            yield return Row("load", info.Load is { } load ? FormattableString.Invariant($"{load.OneMinute:F2} {load.FiveMinutes:F2} {load.FifteenMinutes:F2}") : "");
        }

        var cards = info.Network?.Interfaces ?? [];
        foreach (var card in cards.Take(MaxShown))
        {
            yield return Row(card.Name, $"{card.State} {card.Hardware} {string.Join(' ', card.Addresses.Take(MaxShown))}");
        }

        var files = info.FileSystems.Where(f => f.TotalBytes > 0).ToList();
        foreach (var file in files.Take(MaxShown))
        {
            yield return Row(file.Mount, $"{file.Type}, {file.AvailableBytes >> 20} of {file.TotalBytes >> 20} MiB available");
        }

        if (cards.Count > MaxShown || files.Count > MaxShown)
        {
            yield return Row("not shown", $"{Math.Max(0, cards.Count - MaxShown)} interfaces, {Math.Max(0, files.Count - MaxShown)} file systems; --json has them");
        }

        yield return Row("agent in use", agent == AgentKind.ChannelAgent ? "channel-agent" : "QEMU guest agent");
        yield return Row("agent", info.Agent is { } own ? $"{own.Version}, protocol {own.ProtocolVersion}, pid {own.Pid}, {own.RssBytes / 1024} KiB resident" : "");
        yield return Row("methods", string.Join(' ', info.Methods.Take(MaxShown * 4)));
    }
}
