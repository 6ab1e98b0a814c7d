using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Power;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl shutdown, reboot, halt, suspend</summary>
internal static class PowerCommands
{
    /// <param name="name">Of the command.</param>
    /// <param name="description">Of the command.</param>
    /// <param name="action">What it asks for; null: a suspend.</param>
    public static Command Create(string name, string description, StopAction? action)
    {
        var reason = new Option<string>("--reason") { Description = "For the guest's log", DefaultValueFactory = _ => "" };
        var wait = ToolOptions.Seconds("--wait", "Wait until the guest is gone, at most so many seconds", 0, 86_400);
        var force = ToolOptions.Flag("--force", "Without the guest's init system");
        var command = new Command(name, description) { reason, wait };
        if (action is not null)
        {
            command.Add(force);
        }

        var session = new AttachedInstance(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var gone = instance.Power.WaitGoneAsync(null, giveUp.Token);
            var words = parsed.GetValue(reason)!;
            var answer = await (action switch
            {
                null => instance.Power.SuspendAsync(SuspendMode.Ram, words, cancel),
                { } stop when parsed.GetValue(force) => instance.Power.ForceAsync(stop, words, cancel),
                StopAction.Shutdown => instance.Power.ShutdownAsync(words, cancel),
                StopAction.Reboot => instance.Power.RebootAsync(words, cancel),
                _ => instance.Power.HaltAsync(words, cancel),
            });
            if (!answer.Accepted)
            {
                throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"the guest did not accept it: {answer.How}");
            }

            Console.WriteLine($"accepted: {answer.How}");
            if (parsed.GetValue(wait) is { } seconds)
            {
                try
                {
                    await gone.WaitAsync(TimeSpan.FromSeconds(seconds), cancel);
                }
                catch (TimeoutException)
                {
                    throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun, $"the guest accepted and is still there after {seconds:0.#} s");
                }

                Console.WriteLine("gone");
            }

            await giveUp.CancelAsync();
        }, token));
        return command;
    }
}
