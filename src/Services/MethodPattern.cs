namespace ChannelSdk.Services;

/// <summary>The patterns by which policies name methods: <c>service.Method</c>, <c>service.*</c> or <c>*</c>, the same on both sides.</summary>
public static class MethodPattern
{
    /// <summary>Every method.</summary>
    public const string Any = "*";

    private const string AnyOfService = ".*";

    /// <summary>Whether one of the patterns names a method.</summary>
    /// <param name="patterns">The patterns.</param>
    /// <param name="method">The method, as <c>freeze.Thaw</c>.</param>
    public static bool Matches(IReadOnlyList<string> patterns, string method)
    {
        foreach (var pattern in patterns)
        {
            if (pattern == Any || pattern == method || (pattern.EndsWith(AnyOfService, StringComparison.Ordinal)
                && method.StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether a text is a pattern, of whichever methods.</summary>
    /// <param name="text">The text.</param>
    public static bool IsPattern(string? text)
    {
        var name = text?.EndsWith(AnyOfService, StringComparison.Ordinal) == true ? text[..^AnyOfService.Length] : text;
        return name is Any || (!string.IsNullOrEmpty(name) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '.'));
    }
}
