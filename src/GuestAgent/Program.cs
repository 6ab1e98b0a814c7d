using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime.Halves;

namespace ChannelSdk.GuestAgent;

internal static class Program
{
    private static int Main(string[] args)
    {
        try
        {
            if (args.Length > 0 && HalfCommand.IsVerb(args[0]))
            {
                return ScriptCommand.Execute(args);
            }
            AgentArguments arguments = ArgumentParser.Parse(args);
            switch (arguments.Command)
            {
                case AgentCommand.Run:
                    return RunCommand.Execute(arguments);
                case AgentCommand.Status:
                    return StatusCommand.Execute(arguments);
                case AgentCommand.Version:
                    StandardStream.WriteLine(StandardStream.Output, $"channel-agent {AgentVersion.Text}, protocol {AgentVersion.Protocol}");
                    return ExitCode.Success;
                default:
                    StandardStream.WriteLine(StandardStream.Output, HelpText.Text);
                    return ExitCode.Success;
            }
        }
        catch (ChannelException e)
        {
            foreach (string line in e.Message.Split('\n'))
            {
                StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(line, 1500)}");
            }
            return e.Place == ErrorPlace.Configuration || e.Code == ChannelError.BadEndpointUri ? ExitCode.BadUsage : ExitCode.Failed;
        }
        catch (Exception e)
        {
            // Not a dump of memory and 134: whoever started it reads one line, and the unit starts it again.
            StandardStream.WriteLine(StandardStream.Error, $"channel-agent: an unexpected error: {LogText.Escape($"{e.GetType().Name}: {e.Message}", 1500)}");
            return ExitCode.Failed;
        }
    }
}
