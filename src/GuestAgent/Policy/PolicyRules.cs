using ChannelSdk.Services;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>A program that the host may run.</summary>
/// <param name="Program">Its absolute path; <c>*</c> for any.</param>
/// <param name="Arguments">A pattern for each argument; see <see cref="ArgumentPattern"/>.</param>
/// <param name="Environment">Names of the variables that it may get; a star at the end stands for any rest of a name.</param>
internal sealed record CommandRule(string Program, IReadOnlyList<string> Arguments, IReadOnlyList<string> Environment)
{
    /// <summary>Whether the program and its arguments are this rule's.</summary>
    /// <param name="command">The program's path and its arguments.</param>
    public bool Allows(IReadOnlyList<string> command) =>
        (Program == "*" || Program == command[0]) && ArgumentPattern.MatchesAll(Arguments, [.. command.Skip(1)]);

    /// <summary>Whether the program may get a variable.</summary>
    /// <param name="variable">"NAME=value".</param>
    public bool AllowsVariable(string variable) =>
        EnvironmentPattern.IsHarmless(variable) || Environment.Any(pattern => EnvironmentPattern.Matches(pattern, variable));
}

/// <summary>
/// What an image allows its host. The defaults hold without a file: all methods, no command, no writing; reading is
/// allowed, as a host that owns the disk can read it anyway.
/// </summary>
internal sealed record PolicyRules
{
    /// <summary>Whether the host may shut down, reboot and halt the guest.</summary>
    public bool AllowPower { get; init; } = true;

    /// <summary>Whether the host may run echo and throughput measurements.</summary>
    public bool AllowMeasure { get; init; } = true;

    /// <summary>Whether this is an appliance, in which the host may run the scripts of installations.</summary>
    public bool AllowInstall { get; init; }

    /// <summary>Methods that may be called: <c>service.Method</c>, <c>service.*</c> or <c>*</c>.</summary>
    public IReadOnlyList<string> AllowedMethods { get; init; } = [MethodPattern.Any];

    /// <summary>Methods that may not; this overrides the list above.</summary>
    public IReadOnlyList<string> DeniedMethods { get; init; } = [];

    /// <summary>Programs that may be run.</summary>
    public IReadOnlyList<CommandRule> Commands { get; init; } = [];

    /// <summary>Folders and files that may be read, with all below.</summary>
    public IReadOnlyList<string> Readable { get; init; } = ["/"];

    /// <summary>Folders and files that may be written, with all below.</summary>
    public IReadOnlyList<string> Writable { get; init; } = [];

    /// <summary>Whether a method may be called.</summary>
    public bool AllowsMethod(string method) => MethodPattern.Matches(AllowedMethods, method) && !MethodPattern.Matches(DeniedMethods, method);

    /// <summary>Whether a program may be run with these arguments.</summary>
    /// <param name="command">The program's path and its arguments.</param>
    public bool AllowsCommand(IReadOnlyList<string> command) => Commands.Any(rule => rule.Allows(command));

    /// <summary>Whether one rule allows a program with its arguments and all its variables.</summary>
    /// <param name="command">The program's path and its arguments.</param>
    /// <param name="variables">"NAME=value" each.</param>
    public bool AllowsCommand(IReadOnlyList<string> command, IReadOnlyList<string> variables) =>
        Commands.Any(rule => rule.Allows(command) && !variables.Any(variable => !rule.AllowsVariable(variable)));
}
