using System.CommandLine;
using ChannelSdk.HostEndpoint;
using ChannelSdk.Runtime.Halves;

namespace ChannelSdk.Tool.Commands;

/// <summary>channelctl half: what the script of an operation's half on the host calls. Its words are the same as the agent's in an appliance.</summary>
internal static class HalfToolCommand
{
    private const string Name = "half";

    /// <summary>For the list of commands; the words themselves are not this parser's.</summary>
    public static Command Create() => new(Name, $"In a script of an operation: talks to the other half, tells progress and result, gets parameters. Words: {string.Join(", ", HalfCommand.Verbs)}.")
    {
        new Argument<string[]>("WORD") { Arity = ArgumentArity.ZeroOrMore, Description = "One of the words, and what follows it" },
    };

    /// <summary>Whether a command line is one of these.</summary>
    public static bool Is(string[] args) => args is [Name, ..] && args is not [Name, "--help" or "-h" or "-?"];

    /// <summary>Runs it.</summary>
    public static async Task<int> RunAsync(string[] args, ToolStreams streams)
    {
        if (args.Length == 1)
        {
            Console.Error.WriteLine(HalfCommand.Help);
            return HalfExit.Usage;
        }

        var command = new HalfCommand(streams.StandardInput, streams.StandardOutput, text => Console.Error.WriteLine($"channelctl half: {GuestText.Escape(text)}"));
        return await command.RunAsync(args[1..], Environment.GetEnvironmentVariable(HalfVariables.Socket));
    }
}
