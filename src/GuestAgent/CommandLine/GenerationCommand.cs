using System.Globalization;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary><c>channel-agent generation</c>: prints the guest's generation, or waits for another. It needs no daemon and no rights.</summary>
internal static class GenerationCommand
{
    public static int Execute(AgentArguments arguments)
    {
        var given = arguments.Overrides;
        var path = given.GetValueOrDefault("file", GenerationPage.DefaultPath);
        var old = given.TryGetValue("wait", out var text) ? Parse(text) : null;
        TimeSpan? limit = null;
        if (given.TryGetValue("timeout", out var time))
        {
            limit = ConfigKeys.ParseTime(time) ?? throw Error($"--timeout is '{LogText.Escape(time, 80)}'; allowed is a time such as \"500ms\" or \"30s\", at most \"3600s\"");
        }

        if (limit is not null && old is null)
        {
            throw Error("--timeout goes with --wait");
        }

        try
        {
            using var watch = new GenerationWatch(path);
            if (watch.Wait(old, limit) is not { } reading)
            {
                return Say(ExitCode.NotConnected, "the generation is still the same");
            }

            var hexadecimal = Convert.ToHexStringLower(reading.Generation);
            StandardStream.WriteLine(StandardStream.Output, arguments.Json
                ? string.Create(CultureInfo.InvariantCulture, $"{{\"generation\":\"{hexadecimal}\",\"vm_generation_counter\":{reading.Counter}}}") : hexadecimal);
            return ExitCode.Success;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Say(ExitCode.NotRunning, $"there is no {path}: the agent makes it when it starts");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Say(ExitCode.Unknown, $"{path}: {FileFault.Describe(e)}");
        }
    }

    private static byte[] Parse(string text) => GenerationText.Parse(text)
        ?? throw Error($"--wait is '{LogText.Escape(text, 80)}'; allowed are the 32 hexadecimal digits that this command prints");

    private static int Say(int exitCode, string text)
    {
        StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(text, 500)}");
        return exitCode;
    }

    private static ChannelException Error(string message) => new(ChannelError.BadConfiguration, ErrorClass.Refused, message);
}
