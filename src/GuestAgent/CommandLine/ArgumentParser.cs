using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary>Parses the command line; small on purpose, as the binary is.</summary>
internal static class ArgumentParser
{
    private static readonly string[] s_commands = ["run", "status", "generation", "version", "help", SysprepCommand.Name];
    private static readonly string[] s_runFlags = ["--endpoint", "--config", "--control-socket", "--log-level", "--help"];
    private static readonly string[] s_statusFlags = ["--json", "--config", "--control-socket", "--help"];
    private static readonly string[] s_generationFlags = ["--wait", "--timeout", "--json", "--file", "--help"];
    private static readonly string[] s_noFlags = ["--help"];

    /// <summary>Parses the arguments after the program's name.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong and what is allowed.</exception>
    public static AgentArguments Parse(IReadOnlyList<string> arguments)
    {
        var next = 0;
        if (arguments.Count == 0)
        {
            throw Error($"'run' starts the daemon; commands are {string.Join(", ", s_commands)}, and 'help' tells of them");
        }

        var command = AgentCommand.Run;
        if (arguments.Count > 0 && !arguments[0].StartsWith('-'))
        {
            command = ParseCommand(arguments[0]);
            next = 1;
        }

        var known = command switch
        {
            AgentCommand.Run => s_runFlags,
            AgentCommand.Status => s_statusFlags,
            AgentCommand.Generation => s_generationFlags,
            _ => s_noFlags,
        };
        string? configFile = null;
        var json = false;
        var overrides = new Dictionary<string, string>(StringComparer.Ordinal);
        while (next < arguments.Count)
        {
            var argument = arguments[next++];
            var equals = argument.IndexOf('=');
            var flag = equals < 0 ? argument : argument[..equals];
            var attached = equals < 0 ? null : argument[(equals + 1)..];
            if (flag is "-h" or "--help")
            {
                return new AgentArguments(AgentCommand.Help, null, false, overrides);
            }

            if (flag == "--version" && arguments.Count == 1)
            {
                return new AgentArguments(AgentCommand.Version, null, false, overrides);
            }

            if (!known.Contains(flag))
            {
                throw Unknown(flag, command, known);
            }

            if (flag == "--json")
            {
                json = attached is null ? true : throw Error("--json takes no value");
                continue;
            }

            var value = attached ?? (next < arguments.Count ? arguments[next++] : throw Error($"{flag} needs a value"));
            if (value.Length == 0)
            {
                throw Error($"{flag} needs a value that is not empty");
            }

            if (flag == "--config")
            {
                configFile = configFile is null ? value : throw Error("--config is given twice");
            }
            else if (!overrides.TryAdd(flag[2..].Replace('-', '_'), value))
            {
                throw Error($"{flag} is given twice");
            }
        }

        return new AgentArguments(command, configFile, json, overrides);
    }

    private static AgentCommand ParseCommand(string word) => word switch
    {
        "run" => AgentCommand.Run,
        "status" => AgentCommand.Status,
        "generation" => AgentCommand.Generation,
        "version" => AgentCommand.Version,
        "help" => AgentCommand.Help,
        _ => throw Error($"'{Quote(word)}' is not a command; {Hint(word, s_commands)}"),
    };

    private static ChannelException Unknown(string word, AgentCommand command, string[] known)
    {
        var name = s_commands[(int)command];
        return word.StartsWith('-')
            ? Error($"'{Quote(word)}' is not a flag of {name}; {Hint(word, known)}")
            : Error($"'{Quote(word)}' is not understood: {name} takes flags only; {Hint(word, known)}");
    }

    private static string Hint(string word, string[] known) =>
        NearestName.Of(word, known) is { } near ? $"did you mean '{near}'?" : $"allowed are {string.Join(", ", known)}";

    private static string Quote(string text) => LogText.Escape(text, 80);

    private static ChannelException Error(string message) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, message);
}
