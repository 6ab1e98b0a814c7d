using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>The verbs for the scripts of an operation: <c>channel-agent send</c> and so on.</summary>
internal static class ScriptCommand
{
    public static int Execute(string[] arguments)
    {
        if (arguments.Length > 1 && arguments[1] is "-h" or "--help")
        {
            StandardStream.WriteLine(StandardStream.Output, "channel-agent VERB ..., for the scripts of an installation:\n\n" + ScriptTool.Help);
            return ExitCode.Success;
        }

        try
        {
            using var input = Open(0);
            using var output = Open(StandardStream.Output);
            var command = new ScriptTool(input, output, Complain);
            return command.RunAsync(arguments, Environment.GetEnvironmentVariable(ScriptVariables.Socket)).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException)
        {
            Complain("standard input or output is closed");
            return ScriptExitCode.Failed;
        }
    }

    private static DescriptorStream Open(int number) => DescriptorStream.Inherited(number) as DescriptorStream ?? throw new IOException("it is closed");

    private static void Complain(string line) => StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(line, 500)}");
}
