using ChannelSdk.HostEndpoint;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Tool;

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
            case IOException { HResult: DescriptorStream.BrokenPipe }:
                return ExitCode.ReaderGone;
            case ChannelException known:
                Complain($"{About(subject)}{known.Message} ({known.Code}, {known.Class})");
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
    public static void Complain(string text) => Console.Error.WriteLine($"channelctl: {GuestText.Escape(text, 2048)}");

    private static string About(string? subject) => subject is null ? "" : $"{subject}: ";
}
