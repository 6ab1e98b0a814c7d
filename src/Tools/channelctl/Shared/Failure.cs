using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>Everything that a command can throw, as one line and an exit code.</summary>
internal static class Failure
{
    /// <summary>Tells an error on standard error.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="subject">What it is about, for instance an endpoint; null: its text says so.</param>
    /// <returns>The exit code.</returns>
    public static int Tell(Exception error, string? subject = null)
    {
        switch (error)
        {
            case OperationCanceledException:
                return ExitCode.Stopped;
            case IOException { HResult: Errno.EPIPE }:
                return ExitCode.ReaderGone;
            case ChannelException known:
                var text = $"{About(subject)}{known.Message} ({known.Code}, {known.Class})";
                // A file of settings has a line for each of its mistakes. Any other line end is of a name, and is escaped with it.
                foreach (var line in known.Code == ChannelError.BadConfiguration ? text.Split('\n') : [text])
                {
                    Complain(line);
                }

                return ExitCode.Of(known);
            case ArgumentException wrong:
                // Its second part is a name in the library.
                Complain($"{About(subject)}{wrong.Message.Split(" (Parameter '", 2)[0]}");
                return ExitCode.Usage;
            case IOException or UnauthorizedAccessException:
                Complain($"{About(subject)}{FileFault.Describe(error)}");
                return ExitCode.Failed;
            default:
                Complain($"{About(subject)}unexpected {error.GetType().Name}: {error.Message}");
                return ExitCode.Failed;
        }
    }

    /// <summary>One line on standard error.</summary>
    public static void Complain(string text) => Console.Error.WriteLine($"channelctl: {SafeText.Escape(text, 2048)}");

    private static string About(string? subject) => subject is null ? "" : $"{subject}: ";
}
