namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>What <c>channel-agent help</c> prints.</summary>
internal static class HelpText
{
    public const string Text = """
        channel-agent: the guest's end of the channel to its host

        channel-agent run [flags]       run as a daemon in the foreground, log to standard error
          --endpoint URI                way to the host (auto: the port org.channelsdk.agent.0,
                                        under Xen vchan-listen://0/org.channelsdk.agent.0)
          --config FILE                 configuration (/etc/channel-agent/agent.toml if it is there)
          --control-socket PATH         local control socket, or none (/run/channel-agent/control.sock)
          --log-level LEVEL             error, warning, info or debug (info)
        channel-agent status [flags]    ask the running daemon
          --json                        print JSON
          --control-socket PATH, --config FILE
                                        where to find the daemon, as for run
        channel-agent generation        print the generation: 32 hexadecimal digits, of which each restore and each
                                        clone of this guest has others; zeros before the first
          --wait OLD                    wait until it is another one
          --timeout TIME                how long, for instance 500ms or 30s (without limit)
          --json                        print JSON
          --file PATH                   where it is (/run/channelsdk/generation)
        channel-agent sysprep ...       remove from a template what an image should not have;
                                        "channel-agent sysprep --help" lists it
        channel-agent VERB ...          for scripts of an installation; "channel-agent send --help" lists them
        channel-agent version
        channel-agent help

        Flags go before the file. SIGHUP reads the file again: endpoint, heartbeat_interval, control_socket, metadata_relay and
        [qga] listen take effect at the next start, everything else at once. SIGTERM and SIGINT stop the daemon.

        Exit codes of status: 0 ready, 1 running without a ready channel to the host, 3 not running,
        4 unknown (no permission, no answer). Of generation: 0 printed, 1 still the same, 3 not there, 4 cannot be read. Of all commands: 2 wrong command line or configuration.
        """;
}
