namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>What the agent is asked to do.</summary>
internal enum AgentCommand
{
    Run,
    Status,
    Generation,
    Version,
    Help,
}

/// <summary>A parsed command line.</summary>
/// <param name="Command">The sub-command; <see cref="AgentCommand.Run"/> if only flags are given.</param>
/// <param name="ConfigFile">The value of --config, or null.</param>
/// <param name="Json">Whether status or generation prints JSON.</param>
/// <param name="Overrides">Table and key, with an underscore between them, and value of each flag that stands for a key of the configuration file, and the values of generation's flags.</param>
internal sealed record AgentArguments(
    AgentCommand Command, string? ConfigFile, bool Json, IReadOnlyDictionary<string, string> Overrides);
