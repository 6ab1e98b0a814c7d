using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Daemon;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Snapshot;
using ChannelSdk.GuestAgent.Xen;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary><c>channel-agent run</c>.</summary>
internal static class RunCommand
{
    public static int Execute(AgentArguments arguments)
    {
        // An arena for each thread takes system calls and memory of it, and no two threads are after the C library's heap here.
        _ = SystemCalls.MallOpt(Abi.M_ARENA_MAX, 1);
        // The journal stamps lines itself (systemd.exec(5), JOURNAL_STREAM).
        var withTime = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is null;
        var log = new AgentLog(new LogOutput(StandardStream.Error).Write, TimeProvider.System, withTime)
        {
            Rate = new AgentConfig().LogRate,
        };
        var system = GuestSystem.Linux(log);
        // Before any other file: it may lie on a frozen file system.
        var left = FreezeRecovery.Run(system.Marker, system.Freeze, system.Gate, () => SnapshotService.IsUnrepaired(system.Repair), log);
        AgentConfig Load(AgentNames names) => XenGuest.Resolve(ConfigReader.Load(arguments.ConfigFile, arguments.Overrides, names));
        // Threads that wait for a frozen file system must not keep heartbeats and the thaw waiting; they are made on demand.
        ThreadPool.SetMinThreads(8, 8);
        try
        {
            return RunAsync(new AgentDaemon(Load, system, log, TimeProvider.System), left).GetAwaiter().GetResult();
        }
        finally
        {
            // An agent that cannot start, as with a wrong configuration, must leave nothing stopped.
            _ = system.Gate.Open();
        }
    }

    private static async Task<int> RunAsync(AgentDaemon daemon, TimeSpan? left)
    {
        await using (daemon.ConfigureAwait(false))
        {
            // The ways in are open once this returns; signals can wait so long, clients measure it.
            var running = daemon.RunAsync(left);
            using var signals = new SignalHandlers(daemon);
            await running.ConfigureAwait(false);
        }

        return ExitCode.Success;
    }
}
