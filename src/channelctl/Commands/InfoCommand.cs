using System.CommandLine;
using ChannelSdk.HostEndpoint;
using Google.Protobuf;
using Spectre.Console;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl info</summary>
internal static class InfoCommand
{
    public static Command Create()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("info", "Shows what the guest says of itself.") { json };
        var session = new Session(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var info = await instance.Info.GetAsync(cancel);
            if (parsed.GetValue(json))
            {
                Console.WriteLine(JsonFormatter.Default.Format(info));
                return;
            }

            var table = new Table().AddColumns("", "").HideHeaders().Border(TableBorder.None);
            void Row(string name, string value) => table.AddRow(Markup.Escape(GuestText.Escape(name)), Markup.Escape(GuestText.Escape(value)));
            Row("system", info.Os.PrettyName);
            Row("kernel", $"{info.Kernel.Name} {info.Kernel.Release} {info.Kernel.Architecture}");
            Row("host name", info.HostName);
            // qemu-ga does not tell these.
            if (info.Memory.TotalBytes > 0)
            {
                Row("up", TimeSpan.FromMilliseconds(info.UptimeMs).ToString(@"d\.hh\:mm\:ss", System.Globalization.CultureInfo.InvariantCulture));
                Row("memory", $"{info.Memory.AvailableBytes >> 20} of {info.Memory.TotalBytes >> 20} MiB available");
                Row("load", FormattableString.Invariant($"{info.Load.OneMinute:F2} {info.Load.FiveMinutes:F2} {info.Load.FifteenMinutes:F2}"));
            }

            foreach (var card in info.Network?.Interfaces ?? [])
            {
                Row(card.Name, $"{card.State} {card.Hardware} {string.Join(' ', card.Addresses)}");
            }

            foreach (var file in info.FileSystems.Where(f => f.TotalBytes > 0 || f.Silent.Length > 0))
            {
                Row(file.Mount, file.Silent.Length > 0 ? $"{file.Type}, no answer from {file.Silent}" : $"{file.Type}, {file.AvailableBytes >> 20} of {file.TotalBytes >> 20} MiB available");
            }

            Row("agent in use", instance.Agent == AgentKind.ChannelAgent ? "channel-agent" : "QEMU guest agent");
            Row("agent", $"{info.Agent.Version}, protocol {info.Agent.ProtocolVersion}, pid {info.Agent.Pid}, {info.Agent.RssBytes / 1024} KiB resident");
            Row("methods", string.Join(' ', info.Methods));
            AnsiConsole.Write(table);
        }, token));
        return command;
    }
}
