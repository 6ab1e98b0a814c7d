using System.CommandLine;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl shutdown, reboot, halt, suspend</summary>
internal static class PowerCommands
{
    public static Command Create(string name, string description, PowerAction action)
    {
        var reason = new Option<string>("--reason") { Description = "For the guest's log", DefaultValueFactory = _ => "" };
        var wait = ToolOptions.Seconds("--wait", "Wait until the guest is gone, at most so many seconds", 0, 86_400);
        var force = ToolOptions.Flag("--force", "Without the guest's init system");
        var command = new Command(name, description) { reason, wait };
        if (action != PowerAction.SuspendRam)
        {
            command.Add(force);
        }


        var session = new Session(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var gone = instance.Power.WaitGoneAsync(null, giveUp.Token);
            var words = parsed.GetValue(reason)!;
            var answer = await (action switch
            {
                PowerAction.SuspendRam => instance.Power.SuspendAsync(action, words, cancel),
                _ when parsed.GetValue(force) => instance.Power.ForceAsync(action, words, cancel),
                PowerAction.Shutdown => instance.Power.ShutdownAsync(words, cancel),
                PowerAction.Reboot => instance.Power.RebootAsync(words, cancel),
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
