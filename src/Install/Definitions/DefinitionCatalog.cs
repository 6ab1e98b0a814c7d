using ChannelSdk.Install.Names;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Definitions;

/// <summary>The OS definitions of a host: the folders of one folder.</summary>
/// <param name="folder">The folder.</param>
/// <param name="policy">What the administrator forbids and confines; null: nothing.</param>
public sealed class DefinitionCatalog(string folder, DefinitionPolicy? policy = null)
{
    private readonly string _folder = Path.GetFullPath(folder ?? throw new ArgumentNullException(nameof(folder)));
    private readonly DefinitionPolicy _policy = policy ?? new DefinitionPolicy();

    /// <summary>Names of the definitions, sorted, whether they can be used or not.</summary>
    public IReadOnlyList<string> List() => !Directory.Exists(_folder) ? []
        : [.. Directory.EnumerateDirectories(_folder).Select(path => Path.GetFileName(path)).Where(name => name[0] != '.').Order(StringComparer.Ordinal)];

    /// <summary>Reads a definition and checks all that is there.</summary>
    /// <param name="name">Its name; a variant's name may stand behind it, after a plus sign.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: there is no such definition. <see cref="ChannelError.BadConfiguration"/>: a file of it, and what is wrong with that.</exception>
    public OsDefinition Load(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        DefinitionName.Check(name);
        name = DefinitionName.Parts(name).Folder;
        var path = Path.Combine(_folder, name);
        return Directory.Exists(path) ? OsDefinition.Load(SourceFolder.Open(path), _policy.Confines(name) ? _policy.ConfineFiles : null) : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
            List() is { Count: > 0 } known ? $"there is no OS definition {name} in {_folder}; known are {string.Join(", ", known.Take(32))}" : $"there is no OS definition in {_folder}");
    }

    /// <summary>As <see cref="Load(string)"/>, and checks that an action of it can be done here.</summary>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.BadConfiguration"/>: the action has neither half. <see cref="ChannelError.PermissionDenied"/>: it has a script for the host, which the administrator
    /// forbids, or confines to the appliance where its other half is. Running the other half alone would leave it waiting for this one.
    /// </exception>
    public OsDefinition Load(string name, InstallAction action)
    {
        var definition = Load(name);
        name = definition.Name;
        var script = OsDefinition.ScriptName(action);
        if (!definition.HasTrusted(action) && !definition.HasUntrusted(action))
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"the OS definition {name} cannot {script}: there is {(definition.IsConfined ? $"no {definition.TrustedScript(action)}" : $"neither {definition.TrustedScript(action)} nor {definition.UntrustedScript(action)}")}");
        }

        var forHost = definition.HasTrusted(action) ? definition.TrustedScript(action) : definition.HasVerify ? definition.VerifyScript : null;
        return forHost is null ? definition
            : _policy.Confines(name) ? throw Forbidden(
                $"the administrator of this host confines the OS definition {name} to the appliance{Place(_policy.ConfineSource)}, and {forHost} is for the host, as the definition has an {OsDefinition.UntrustedFolderName} folder for the appliance; a definition without that folder runs there as a whole")
            : _policy.AllowsTrusted(name) ? definition
            : throw Forbidden(
                $"the administrator of this host forbids scripts of the OS definition {name} on the host{Place(_policy.Source)}, and {forHost} is one; a definition with an {OsDefinition.UntrustedFolderName} folder alone is allowed, and one that is confined to the appliance");
    }

    private static string Place(string source) => source.Length > 0 ? $" ({source})" : "";

    private static ChannelException Forbidden(string text) => new(ChannelError.PermissionDenied, ErrorClass.Refused, text);
}
