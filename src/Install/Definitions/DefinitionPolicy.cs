namespace ChannelSdk.Install.Definitions;

/// <summary>Which definitions may run scripts on the host, and which run in the appliance as a whole, by the administrator's word.</summary>
public sealed record DefinitionPolicy
{
    /// <summary>Whether no definition may.</summary>
    public bool ForbidTrusted { get; init; }

    /// <summary>Names of definitions that may not.</summary>
    public IReadOnlySet<string> ForbidTrustedOf { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Where the administrator forbids it, for errors; empty: it is not told.</summary>
    public string Source { get; init; } = "";

    /// <summary>
    /// Whether all definitions run in the appliance as a whole: their scripts for the host and their verify too. One that has an <c>untrusted</c> folder
    /// beside scripts for the host is refused then.
    /// </summary>
    public bool ConfineAll { get; init; }

    /// <summary>Names of definitions that do.</summary>
    public IReadOnlySet<string> ConfineOf { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Where the administrator says that, for errors; empty: it is not told.</summary>
    public string ConfineSource { get; init; } = "";

    /// <summary>
    /// Absolute paths of files and folders of this host that the scripts of such definitions find at the same place in the appliance, as their configuration in
    /// <c>/etc</c>. They share the bounds of what an appliance is given, and links in them are as those in a definition.
    /// </summary>
    public IReadOnlyList<string> ConfineFiles { get; init; } = [];

    internal bool Confines(string definition) => ConfineAll || ConfineOf.Contains(definition);

    internal bool AllowsTrusted(string definition) => !ForbidTrusted && !ForbidTrustedOf.Contains(definition);
}
