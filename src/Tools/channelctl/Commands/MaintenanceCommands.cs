using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl clock, trim</summary>
internal static class MaintenanceCommands
{
    public static Command CreateClock()
    {
        var set = ToolOptions.Flag("--set", "Set the guest's clock to this machine's");
        var command = new Command("clock", "Says how far the guest's clock is from this machine's.") { set };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            if (parsed.GetValue(set))
            {
                Console.WriteLine(FormattableString.Invariant($"moved by {(await instance.Time.SetAsync(cancel)).TotalSeconds:+0.000;-0.000} s"));
            }

            var drift = await instance.Time.DriftAsync(cancel);
            Console.WriteLine(FormattableString.Invariant($"guest is {drift.Offset.TotalSeconds:+0.000000;-0.000000} s off, within {drift.Uncertainty.TotalSeconds:0.000000} s"));
        }, token));
        return command;
    }

    public static Command CreateTrim()
    {
        var mounts = new Option<string[]>("--mount") { Description = "A mount point; may be given several times; none: all file systems" };
        var command = new Command("trim", "Has the guest give unused blocks back to its storage.") { mounts };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            var results = await SilenceLimit.RunAsync(session.GivenTimeout(parsed), (_, soon) => instance.Storage.TrimAsync(parsed.GetValue(mounts), cancellationToken: soon), cancel);
            foreach (var result in results)
            {
                Console.WriteLine($"{SafeText.Escape(result.Mount)}: {(result.Reason.Length > 0 ? SafeText.Escape(result.Reason) : $"{result.TrimmedBytes} bytes")}");
            }
        }, token));
        return command;
    }
}
