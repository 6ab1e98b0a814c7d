namespace ChannelSdk.Install.Definitions;

/// <summary>Which definitions may run scripts on the host, by the administrator's word.</summary>
public sealed record DefinitionPolicy
{
    /// <summary>Whether no definition may.</summary>
    public bool ForbidTrusted { get; init; }

    /// <summary>Names of definitions that may not.</summary>
    public IReadOnlySet<string> ForbidTrustedOf { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Where the administrator says so, for errors; empty: it is not told.</summary>
    public string Source { get; init; } = "";

    internal bool AllowsTrusted(string definition) => !ForbidTrusted && !ForbidTrustedOf.Contains(definition);
}
