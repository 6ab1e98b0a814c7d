namespace ChannelSdk.GuestAgent.Qga;

/// <summary>Which commands of the protocol the configuration lets through.</summary>
/// <param name="Allowed">Their names; null for all.</param>
/// <param name="Blocked">Names that are not, whatever is allowed.</param>
internal sealed record QgaLists(IReadOnlyList<string>? Allowed, IReadOnlyList<string> Blocked)
{
    /// <summary>All commands.</summary>
    public static QgaLists All { get; } = new(null, []);

    /// <summary>Whether a command may be called.</summary>
    public bool Allows(string name) => Allowed?.Contains(name) != false && !Blocked.Contains(name);

    /// <summary>Reads names with commas between them; null if one is none.</summary>
    public static string[]? Parse(string value)
    {
        string[] names = value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return Array.TrueForAll(names, static name => name.StartsWith("guest-", StringComparison.Ordinal)) ? names : null;
    }
}
