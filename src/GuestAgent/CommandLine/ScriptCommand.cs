using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Runtime.Halves;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>The words for the scripts of an operation: <c>channel-agent send</c> and so on.</summary>
internal static class ScriptCommand
{
    public static int Execute(string[] arguments)
    {
        if (arguments.Length > 1 && arguments[1] is "-h" or "--help")
        {
            StandardStream.WriteLine(StandardStream.Output, "channel-agent WORD ..., for the scripts of an installation:\n\n" + HalfCommand.Help);
            return ExitCode.Success;
        }
        try
        {
            using FileStream input = Open(0, FileAccess.Read);
            using FileStream output = Open(StandardStream.Output, FileAccess.Write);
            var command = new HalfCommand(input, output, Complain);
            return command.RunAsync(arguments, Environment.GetEnvironmentVariable(HalfVariables.Socket)).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException)
        {
            Complain("standard input or output is closed");
            return HalfExit.Failed;
        }
    }

    private static FileStream Open(int number, FileAccess access) => new(new SafeFileHandle(number, ownsHandle: false), access, bufferSize: 0);

    private static void Complain(string line) => StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(line, 500)}");
}
