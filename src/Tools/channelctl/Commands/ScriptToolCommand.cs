using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl half: the tool for the script of an operation's half on the host. Its verbs are the same as the agent's in an appliance.</summary>
internal static class ScriptToolCommand
{
    private const string Name = "half";

    /// <summary>For the list of commands; this parser does not parse the verbs.</summary>
    public static Command Create() => new(Name, $"In a script of an operation: talks to the other half, tells progress and result, gets parameters. Verbs: {string.Join(", ", ScriptTool.Verbs)}.")
    {
        new Argument<string[]>("VERB") { Arity = ArgumentArity.ZeroOrMore, Description = "One of the verbs, and its arguments" },
    };

    /// <summary>Whether a command line is one of these.</summary>
    public static bool Is(string[] args) => args is [Name, ..] && args is not [Name, "--help" or "-h" or "-?"];

    /// <summary>Runs it.</summary>
    public static async Task<int> RunAsync(string[] args, ToolStreams streams)
    {
        if (args.Length == 1)
        {
            Console.Error.WriteLine(ScriptTool.Help);
            return ScriptExitCode.Usage;
        }

        var command = new ScriptTool(streams.StandardInput, streams.StandardOutput, text => Console.Error.WriteLine($"channelctl half: {SafeText.Escape(text)}"));
        return await command.RunAsync(args[1..], Environment.GetEnvironmentVariable(ScriptVariables.Socket));
    }
}
