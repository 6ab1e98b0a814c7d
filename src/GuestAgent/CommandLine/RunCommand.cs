using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Linux;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary><c>channel-agent run</c>.</summary>
internal static class RunCommand
{
    public static int Execute(AgentArguments arguments)
    {
        AgentConfig Load() => ConfigReader.Load(arguments.ConfigFile, arguments.Overrides);
        AgentConfig config = Load();
        // The journal stamps lines itself (systemd.exec(5), JOURNAL_STREAM).
        bool withTime = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is null;
        var log = new AgentLog(static line => StandardStream.WriteLine(StandardStream.Error, line), TimeProvider.System, withTime)
        {
            Level = config.LogLevel,
            Rate = config.LogRate,
        };
        return RunAsync(new AgentDaemon(config, Load, new LinuxPowerPlatform(), log, TimeProvider.System)).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(AgentDaemon daemon)
    {
        await using (daemon.ConfigureAwait(false))
        {
            using var signals = new SignalHandlers(daemon);
            await daemon.RunAsync().ConfigureAwait(false);
        }
        return ExitCode.Success;
    }
}
