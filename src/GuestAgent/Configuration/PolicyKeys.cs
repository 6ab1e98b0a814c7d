using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Protocol.Toml;
using ChannelSdk.Services;

namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>The tables of the file that are the image's policy.</summary>
internal static class PolicyKeys
{
    private const int MaxQuotedText = 80;
    private const string Paths = "a list of absolute paths such as [\"/var/log\"]";
    private const string Methods = "a list of methods such as [\"info.*\", \"freeze.Thaw\"]";

    /// <summary>The tables.</summary>
    /// <param name="methods">The methods that there are, null: names are not checked.</param>
    public static IReadOnlyList<TomlTable<AgentConfig>> Tables(IReadOnlyCollection<string>? methods) =>
    [
        new("permissions",
        [
            Switch("power", static (rules, isAllowed) => rules with { AllowPower = isAllowed }),
            Switch("measure", static (rules, isAllowed) => rules with { AllowMeasure = isAllowed }),
            Switch("install", static (rules, isAllowed) => rules with { AllowInstall = isAllowed }),
        ]),
        new("services",
        [
            Names("allow", Methods, methods, "method", Set(static (rules, names) => rules with { AllowedMethods = names })),
            Names("deny", Methods, methods, "method", Set(static (rules, names) => rules with { DeniedMethods = names })),
        ]),
        new("files",
        [
            TomlKey.List("read", Paths, CheckPath, Set(static (rules, paths) => rules with { Readable = paths })),
            TomlKey.List("write", Paths, CheckPath, Set(static (rules, paths) => rules with { Writable = paths })),
        ]),
        new("exec",
        [
            TomlKey.Text<AgentConfig>("program", "an absolute path, or \"*\" for any program", static (config, program) =>
                program == "*" || (PathPrefix.IsPlain(program) && program != "/") ? WithCommand(config, command => command with { Program = program }) : null),
            new("arguments", $"a list with a pattern for each argument, \"{ArgumentPattern.Rest}\" only as its last item", static (config, value) =>
                value is string[] patterns && Array.IndexOf(patterns, ArgumentPattern.Rest) is var rest && (rest < 0 || rest == patterns.Length - 1)
                    ? WithCommand(config, command => command with { Arguments = patterns }) : null),
            new("environment", "a list of variables that the host may set, each a name, NAME_* or *; without it there are only LANG, LC_*, TZ and TERM", static (config, value) =>
                value is string[] variables && Array.TrueForAll(variables, EnvironmentPattern.IsPattern)
                    ? WithCommand(config, command => command with { Environment = variables }) : null),
        ])
        {
            Begin = static config => With(config, static rules => rules with { Commands = [.. rules.Commands, new CommandRule("", [], [])] }),
            Lacks = static config => config.Policy.Commands[^1].Program.Length == 0 ? "it needs program = \"/absolute/path\", or \"*\" for any program" : null,
        },
    ];

    /// <summary>A key for a list of names that there are, of patterns of them, or of a star for all.</summary>
    /// <param name="name">The key.</param>
    /// <param name="allowed">What it takes.</param>
    /// <param name="known">The names that there are; null: names are not checked.</param>
    /// <param name="kind">"method" or "command", for the message.</param>
    /// <param name="apply">The configuration with the list.</param>
    public static TomlKey<AgentConfig> Names(
        string name, string allowed, IReadOnlyCollection<string>? known, string kind, Func<AgentConfig, string[], AgentConfig> apply) =>
        TomlKey.List(name, allowed, item => known is null || IsOfOne(item, known) ? null : $"there is no {kind} '{LogText.Escape(item, MaxQuotedText)}'; {Hint(item, known)}", apply);

    private static bool IsOfOne(string pattern, IReadOnlyCollection<string> known)
    {
        string[] patterns = [pattern];
        return pattern == MethodPattern.Any || known.Any(name => MethodPattern.Matches(patterns, name));
    }

    private static string Hint(string typed, IReadOnlyCollection<string> known)
    {
        string[] names = [.. known, .. known.Where(static name => name.Contains('.', StringComparison.Ordinal)).Select(static name => name[..(name.IndexOf('.', StringComparison.Ordinal) + 1)] + "*").Distinct(), MethodPattern.Any];
        return NearestName.Of(typed, names) is { } near ? $"did you mean '{near}'?" : $"known are {string.Join(", ", names)}";
    }

    private static string? CheckPath(string path) => PathPrefix.IsPlain(path)
        ? null : $"'{LogText.Escape(path, MaxQuotedText)}' is not allowed; allowed is an absolute path without empty, . and .. parts and without a slash at its end";

    private static TomlKey<AgentConfig> Switch(string name, Func<PolicyRules, bool, PolicyRules> apply) =>
        TomlKey.Switch<AgentConfig>(name, (config, isAllowed) => With(config, rules => apply(rules, isAllowed)));

    private static Func<AgentConfig, string[], AgentConfig> Set(Func<PolicyRules, string[], PolicyRules> apply) =>
        (config, items) => With(config, rules => apply(rules, items));

    private static AgentConfig WithCommand(AgentConfig config, Func<CommandRule, CommandRule> change) =>
        With(config, rules =>
        {
            CommandRule[] commands = [.. rules.Commands];
            commands[^1] = change(commands[^1]);
            return rules with { Commands = commands };
        });

    private static AgentConfig With(AgentConfig config, Func<PolicyRules, PolicyRules> change) => config with { Policy = change(config.Policy) };
}
