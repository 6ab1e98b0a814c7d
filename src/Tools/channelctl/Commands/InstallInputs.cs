using System.CommandLine;
using System.CommandLine.Parsing;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>What the command line of a create says, for a command that does other things for an instance, too.</summary>
internal sealed record InstallInputs
{
    public required ParseResult Parsed { get; init; }

    public required string Instance { get; init; }

    public required string State { get; init; }

    public required string? ForwardProgram { get; init; }

    public required bool IsJson { get; init; }

    public required ToolSignals Signals { get; init; }

    /// <summary>The deadline, which the administrator's file bounds.</summary>
    public required Func<TimeSpan> Deadline { get; init; }

    /// <summary>Reads the secrets' values.</summary>
    public required Func<Task<SecretParameters>> SecretsAsync { get; init; }

    /// <summary>Runs the create; told whether it replaces a system.</summary>
    public required Func<bool, Task<int>> CreateAsync { get; init; }

    /// <summary>Refuses options that were given and mean nothing for an instance in a mode.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: which one.</exception>
    public void Allow(string mode, params ReadOnlySpan<string> allowed)
    {
        foreach (var option in Parsed.CommandResult.Children.OfType<OptionResult>())
        {
            if (!option.Implicit && option.Option.Name != "--state" && !allowed.Contains(option.Option.Name))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{option.Option.Name} means nothing for {Instance}, which is in mode {mode}");
            }
        }
    }
}
