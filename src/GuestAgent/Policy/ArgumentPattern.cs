namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// A pattern for one argument: <c>*</c> stands for any characters but a slash, <c>**</c> for any. Made so that a
/// pattern allows what it seems to: an argument with a <c>..</c> part matches only a pattern that spells it out, and one
/// that starts with a dash matches none that starts with a star.
/// </summary>
internal static class ArgumentPattern
{
    /// <summary>As the last item of a list: any further arguments.</summary>
    public const string Rest = "...";

    /// <summary>Whether the arguments match a list of patterns, one for one.</summary>
    public static bool MatchesAll(IReadOnlyList<string> patterns, ReadOnlySpan<string> arguments)
    {
        var open = patterns.Count > 0 && patterns[^1] == Rest;
        var fixedCount = open ? patterns.Count - 1 : patterns.Count;
        if (open ? arguments.Length < fixedCount : arguments.Length != fixedCount)
        {
            return false;
        }

        for (var i = 0; i < fixedCount; i++)
        {
            if (!Matches(patterns[i], arguments[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether one argument matches one pattern as a whole.</summary>
    public static bool Matches(string pattern, string argument)
    {
        if (!pattern.Contains('*', StringComparison.Ordinal))
        {
            return pattern == argument;
        }

        if ((pattern[0] == '*' && argument.StartsWith('-')) || HasParentSegment(argument))
        {
            return false;
        }

        return Glob(pattern, argument);
    }

    // One row of the usual table: reach[j] says whether the pattern so far matches the first j characters. The time is
    // bounded by the product of the lengths, for any pattern.
    private static bool Glob(string pattern, string argument)
    {
        var reach = new bool[argument.Length + 1];
        reach[0] = true;
        for (var i = 0; i < pattern.Length; i++)
        {
            var any = pattern[i] == '*' && i + 1 < pattern.Length && pattern[i + 1] == '*';
            if (pattern[i] == '*')
            {
                i += any ? 1 : 0;
                for (var j = 1; j <= argument.Length; j++)
                {
                    reach[j] |= reach[j - 1] && (any || argument[j - 1] != '/');
                }

                continue;
            }

            for (var j = argument.Length; j > 0; j--)
            {
                reach[j] = reach[j - 1] && argument[j - 1] == pattern[i];
            }

            reach[0] = false;
        }

        return reach[argument.Length];
    }

    // A path may stand behind an option's equals sign or in a list, so any separator may come before and after it.
    private static bool HasParentSegment(string argument)
    {
        for (var at = argument.IndexOf("..", StringComparison.Ordinal); at >= 0;
            at = argument.IndexOf("..", at + 1, StringComparison.Ordinal))
        {
            var begins = at == 0 || !IsNameCharacter(argument[at - 1]);
            var ends = at + 2 == argument.Length || !IsNameCharacter(argument[at + 2]);
            if (begins && ends)
            {
                return true;
            }
        }

        return false;
    }

    private static bool IsNameCharacter(char c) => char.IsLetterOrDigit(c) || c is '.' or '_' or '-';
}
