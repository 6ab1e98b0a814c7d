using ChannelSdk.GuestAgent.CommandLine;
using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent;

internal static class Program
{
    private static int Main(string[] args)
    {
        try
        {
            if (args.Length > 0 && ScriptTool.IsVerb(args[0]))
            {
                return ScriptCommand.Execute(args);
            }

            if (args is [SysprepCommand.Name, ..])
            {
                return SysprepCommand.Execute(args);
            }

            var arguments = ArgumentParser.Parse(args);
            switch (arguments.Command)
            {
                case AgentCommand.Run:
                    return RunCommand.Execute(arguments);
                case AgentCommand.Status:
                    return StatusCommand.Execute(arguments);
                case AgentCommand.Generation:
                    return GenerationCommand.Execute(arguments);
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
            foreach (var line in e.Message.Split('\n'))
            {
                StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {LogText.Escape(line, 1500)}");
            }

            return e.Origin == ErrorOrigin.Configuration || e.Code == ChannelError.BadEndpointUri ? ExitCode.BadUsage : ExitCode.Failed;
        }
        catch (Exception e)
        {
            // Not a memory dump and exit code 134: the log has one line, and the unit starts the agent again.
            StandardStream.WriteLine(StandardStream.Error, $"channel-agent: an unexpected error: {LogText.Escape($"{e.GetType().Name}: {e.Message}", 1500)}");
            return ExitCode.Failed;
        }
    }
}
