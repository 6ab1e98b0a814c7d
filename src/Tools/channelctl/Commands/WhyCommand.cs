using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host;
using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl why</summary>
internal static class WhyCommand
{
    public static Command Create()
    {
        var qmp = ToolOptions.Path("--qmp", "QEMU's QMP socket of the instance, to be asked too");
        var patience = ToolOptions.Seconds("--patience", "Seconds to listen before judging", 3, 0, 3600);
        var command = new Command("why", "Says why an instance does not answer: never connected, booting, driver or agent missing, busy, frozen, paused, rate limited, dead, in use by another client. Exits with 0 if it is ready, else with a code for each of these.") { qmp, patience };
        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            await ListenAsync(instance, TimeSpan.FromSeconds(parsed.GetValue(patience)), cancel);
            using var soon = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            soon.CancelAfter(TimeSpan.FromSeconds(5));
            var machine = parsed.GetValue(qmp) is { } path ? await MachineProbe.AskAsync(path, cancellationToken: soon.Token) : null;
            var diagnosis = Diagnostician.Judge(instance.Status, machine);
            Console.WriteLine($"{diagnosis.Condition}: {diagnosis.Text}");
            return ExitCode.Of(diagnosis.Condition);
        }, token, waitReady: false));
        return command;
    }

    /// <summary>Until its state is known, or patience is over.</summary>
    private static async Task ListenAsync(Instance instance, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        enough.CancelAfter(patience);
        try
        {
            await foreach (var next in instance.WatchAsync(enough.Token))
            {
                if (next.Heartbeat is not null)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing was heard in time; that is for the judge.
        }
    }
}
