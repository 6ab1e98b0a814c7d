using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl exec</summary>
internal static class ExecCommand
{
    private const int MaxName = 1024;

    public static Command Create(ToolSignals signals)
    {
        var folder = StateOption.Folder("--folder", "Where the program begins", "/");
        var variables = new Option<string[]>("--env") { Description = "NAME=value; may be given more than once, the last one of a name counts", HelpName = "NAME=VALUE" };
        var keep = ToolOptions.Flag("--keep", "The program goes on when this command or its session is lost");
        var linkLoss = ToolOptions.Seconds("--link-loss", "Seconds without a link to this command after which the program is ended", 10, 1, 600);
        var command = new Command("exec", $"Runs a program in the guest with this one's standard streams; exits with its code, or {ExitCode.ExecFailed} if that is not known. The program ends with this command, whatever ends it.") { folder, variables, keep, linkLoss };
        var session = new AttachedInstance(command);
        var words = new Argument<string[]>("COMMAND") { Description = "The program and its arguments, behind --", Arity = ArgumentArity.OneOrMore };
        command.Add(words);
        words.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value.Length: 0 }, ..])
            {
                result.AddError("COMMAND begins with the name of a program");
            }
        });
        variables.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string[]>()?.Any(v => v.IndexOf('=') is <= 0 or > MaxName || v.Contains('\0', StringComparison.Ordinal)) ?? false)
            {
                result.AddError("--env takes NAME=value");
            }
        });
        command.SetAction(async (parsed, token) =>
        {
            var loss = TimeSpan.FromSeconds(parsed.GetValue(linkLoss));
            var options = new ExecOptions
            {
                Command = parsed.GetValue(words)!,
                WorkingFolder = parsed.GetValue(folder)!,
                KeepOnSessionLoss = parsed.GetValue(keep),
                LinkLoss = loss,
                Environment = (parsed.GetValue(variables) ?? []).Select(v => v.Split('=', 2)).GroupBy(v => v[0], v => v[1]).ToDictionary(v => v.Key, v => v.Last()),
            };
            var streams = ToolStreams.Of(parsed);
            var exit = default(ExecExit);
            var code = await session.RunAsync(parsed, async (instance, cancel) =>
            {
                streams.OnReaderGone(() => signals.End(ExitCode.ReaderGone));
                exit = await RunAsync(instance, options, streams, cancel);
                return ExitCode.Ok;
            }, token, linkLoss: loss);
            return code is ExitCode.Ok ? exit.ShellCode : code is ExitCode.Stopped or ExitCode.ReaderGone ? code : ExitCode.ExecFailed;
        });
        return command;
    }

    private static async Task<ExecExit> RunAsync(Instance instance, ExecOptions options, ToolStreams streams, CancellationToken cancel)
    {
        await using var session = await instance.Exec.StartAsync(options, cancel);
        // Not awaited: a program may end long before this command's input.
        _ = FeedAsync(session, streams.StandardInput, cancel);
        List<Task> left = [session.StandardOutput.CopyToAsync(streams.StandardOutput, cancel), session.StandardError.CopyToAsync(streams.StandardError, cancel)];
        while (left.Count > 0)
        {
            // The first failure ends the program, and with it the other stream.
            var done = await Task.WhenAny(left);
            await done;
            left.Remove(done);
        }

        return await session.ExitAsync(cancel);
    }

    private static async Task FeedAsync(ExecSession session, Stream input, CancellationToken cancel)
    {
        try
        {
            try
            {
                await input.CopyToAsync(session.StandardInput, cancel);
            }
            catch (IOException)
            {
                // An input that cannot be read has ended.
            }

            await session.StandardInput.DisposeAsync();
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException or ObjectDisposedException)
        {
            // The program has ended, or its outputs tell what is wrong.
        }
    }
}
