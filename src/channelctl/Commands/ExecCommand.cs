using System.CommandLine;
using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Services;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl exec</summary>
internal static class ExecCommand
{
    public static Command Create()
    {
        var folder = new Option<string>("--folder") { Description = "Where the program begins", DefaultValueFactory = _ => "/" };
        var variables = new Option<string[]>("--env") { Description = "NAME=value; may be given more than once" };
        var keep = new Option<bool>("--keep") { Description = "The program goes on when the session is lost" };
        var command = new Command("exec", $"Runs a program in the guest with this one's standard streams; exits with its code, or {ExitCode.ExecFailed} if that is not known.") { folder, variables, keep };
        var session = new Session(command);
        var words = new Argument<string[]>("COMMAND") { Description = "The program and its arguments, behind --", Arity = ArgumentArity.OneOrMore };
        command.Add(words);
        variables.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string[]>()?.Any(v => v.IndexOf('=') <= 0) ?? false)
            {
                result.AddError("--env takes NAME=value");
            }
        });
        command.SetAction(async (parsed, token) =>
        {
            var options = new ExecOptions
            {
                Command = parsed.GetValue(words)!,
                WorkingFolder = parsed.GetValue(folder)!,
                KeepOnSessionLoss = parsed.GetValue(keep),
                Environment = (parsed.GetValue(variables) ?? []).Select(v => v.Split('=', 2)).ToDictionary(v => v[0], v => v[1]),
            };
            var exit = default(ExecExit);
            var code = await session.RunAsync(parsed, async (instance, cancel) => exit = await RunAsync(instance, options, cancel), token);
            return code is ExitCode.Ok ? exit.ShellCode : code is ExitCode.Stopped ? code : ExitCode.ExecFailed;
        });
        return command;
    }

    private static async Task<ExecExit> RunAsync(Instance instance, ExecOptions options, CancellationToken cancel)
    {
        await using var session = await instance.Exec.StartAsync(options, cancel);
        await using var output = Console.OpenStandardOutput();
        await using var error = Console.OpenStandardError();
        // Nobody waits for it: a program may end long before our own input does.
        _ = FeedAsync(session, cancel);
        await Task.WhenAll(session.StandardOutput.CopyToAsync(output, cancel), session.StandardError.CopyToAsync(error, cancel));
        return await session.ExitAsync(cancel);
    }

    private static async Task FeedAsync(ExecSession session, CancellationToken cancel)
    {
        try
        {
            await using var input = Console.OpenStandardInput();
            await input.CopyToAsync(session.StandardInput, cancel);
            await session.StandardInput.DisposeAsync();
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The program has ended, or its outputs tell what is wrong.
        }
    }
}
