namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Which variables a program may get. Many programs do what a variable says, so none is let through that no rule names, but
/// for those of the language, the time zone and the terminal.
/// </summary>
internal static class EnvironmentPattern
{
    private static readonly string[] s_always = ["LANG", "LC_*", "TZ", "TERM"];

    /// <summary>Whether a text is a pattern: a name, a beginning of names with a star behind it, or a star.</summary>
    public static bool IsPattern(string pattern) => pattern.Length is > 0 and <= 255 && !pattern.Contains('=', StringComparison.Ordinal)
        && !pattern.Contains('\0', StringComparison.Ordinal) && pattern.IndexOf('*', StringComparison.Ordinal) is var star && (star < 0 || star == pattern.Length - 1);

    /// <summary>Whether a variable's name matches a pattern.</summary>
    /// <param name="pattern">See <see cref="IsPattern"/>.</param>
    /// <param name="variable">"NAME=value".</param>
    public static bool Matches(string pattern, string variable)
    {
        var name = NameOf(variable);
        return pattern[^1] == '*' ? name.StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal)
            : name.Equals(pattern, StringComparison.Ordinal);
    }

    /// <summary>Whether a variable needs no rule. Those of the language and the terminal may name files, which these may not.</summary>
    /// <param name="variable">"NAME=value".</param>
    public static bool IsHarmless(string variable)
    {
        var name = NameOf(variable);
        var value = variable.AsSpan(name.Length + 1);
        return s_always.Any(pattern => Matches(pattern, variable))
            && !value.Contains('%') && !value.Contains("..", StringComparison.Ordinal)
            && (name.SequenceEqual("TZ") ? !value.StartsWith("/") && !value.StartsWith(":") : !value.Contains('/'));
    }

    /// <summary>The name of a variable.</summary>
    /// <param name="variable">"NAME=value".</param>
    public static ReadOnlySpan<char> NameOf(string variable) => variable.AsSpan(0, variable.IndexOf('=', StringComparison.Ordinal));
}
