using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>Which names are allowed. Everything that is checked here comes from a script or from the other side.</summary>
public static class InstallNames
{
    internal const string BarrierCharacters = "a-z, A-Z, 0-9, '.', '_' and '-'";

    /// <summary>Whether a barrier or a stream between the halves may have this name: 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'.</summary>
    /// <param name="untrustedName">The name.</param>
    public static bool IsBarrier(string untrustedName) => untrustedName.Length is > 0 and <= ScriptLimits.MaxName
        && IsOf(untrustedName, "._-");

    /// <summary>Whether a parameter may have this name: 1 to 64 of a-z, A-Z, 0-9 and '_', first a letter.</summary>
    /// <param name="untrustedName">The name.</param>
    public static bool IsParameter(string untrustedName) => untrustedName.Length is > 0 and <= ScriptLimits.MaxName
        && char.IsAsciiLetter(untrustedName[0]) && IsOf(untrustedName, "_");

    /// <summary>The script that checks the parameters before an action, and its name as an action of its own.</summary>
    public const string Verify = "verify";

    /// <summary>What a <see cref="Verify"/> is asked to check, its argument.</summary>
    public const string VerifiedParameters = "parameters";

    /// <summary>Whether the action is one of an OS definition: create, export, import, rename, verify.</summary>
    /// <param name="untrustedAction">The action.</param>
    public static bool IsAction(string untrustedAction) => untrustedAction is "create" or "export" or "import" or "rename" or Verify;

    private static bool IsOf(string name, string others)
    {
        foreach (var c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && !others.Contains(c, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The error for a name that is not allowed.</summary>
    internal static ChannelException Wrong(string what, string allowed) =>
        new(ChannelError.InvalidArgument, ErrorClass.Refused, $"this is no name of a {what}; it has 1 to {ScriptLimits.MaxName} of {allowed}");
}
