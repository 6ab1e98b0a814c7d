using System.CommandLine;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl shutdown, reboot, halt</summary>
internal static class PowerCommands
{
    public static Command Create(string name, string description, Func<PowerClient, string, CancellationToken, ValueTask<PowerResult>> request)
    {
        var reason = new Option<string>("--reason") { Description = "For the guest's log", DefaultValueFactory = _ => "" };
        var wait = new Option<double?>("--wait") { Description = "Wait until the guest is gone, at most so many seconds" };
        var command = new Command(name, description) { reason, wait };
        var session = new Session(command);
        command.SetAction((parsed, token) => session.RunAsync(parsed, async (instance, cancel) =>
        {
            using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var gone = instance.Power.WaitGoneAsync(null, giveUp.Token);
            var answer = await request(instance.Power, parsed.GetValue(reason)!, cancel);
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
