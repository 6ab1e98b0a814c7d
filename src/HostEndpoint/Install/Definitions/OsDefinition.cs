using ChannelSdk.Protocol;

namespace ChannelSdk.HostEndpoint.Install;

/// <summary>
/// How an operating system is installed: a folder with the scripts create, export, import and rename, which run on the
/// host, the same under untrusted/, which run in an appliance, a parameters.list and a verify. All of them may be missing;
/// an action needs one of its two halves.
/// </summary>
public sealed class OsDefinition
{
    internal const string UntrustedFolderName = "untrusted";
    private const string ParametersName = "parameters.list";
    private const string VerifyName = "verify";

    private OsDefinition(string name, string folder, IReadOnlyDictionary<string, DefinitionParameter> parameters, bool hasParameterList) =>
        (Name, Folder, Parameters, HasParameterList) = (name, folder, parameters, hasParameterList);

    /// <summary>Its name, which is its folder's.</summary>
    public string Name { get; }

    /// <summary>Its folder.</summary>
    public string Folder { get; }

    /// <summary>The parameters that it declares.</summary>
    public IReadOnlyDictionary<string, DefinitionParameter> Parameters { get; }

    /// <summary>Whether it declares its parameters; if not, any are taken.</summary>
    public bool HasParameterList { get; }

    /// <summary>Whether it has a verify, which checks parameters on the host before an operation.</summary>
    public bool HasVerify => File.Exists(VerifyScript);

    /// <summary>Whether an action has a half on the host.</summary>
    public bool HasTrusted(InstallAction action) => IsThere(TrustedScript(action));

    /// <summary>Whether an action has a half in an appliance.</summary>
    public bool HasUntrusted(InstallAction action) => IsThere(UntrustedScript(action));

    internal string VerifyScript => Path.Combine(Folder, VerifyName);

    internal string UntrustedFolder => Path.Combine(Folder, UntrustedFolderName);

    internal string TrustedScript(InstallAction action) => Path.Combine(Folder, ScriptName(action));

    internal static string ScriptName(InstallAction action) => action.ToString().ToLowerInvariant();

    /// <summary>Reads a definition and checks all that is there.</summary>
    /// <exception cref="ChannelException">NotFound: there is no such definition. BadConfiguration: a file of it, and what is wrong with that.</exception>
    internal static OsDefinition Load(string folder)
    {
        var list = Path.Combine(folder, ParametersName);
        var hasList = IsThere(list);
        var definition = new OsDefinition(Path.GetFileName(folder), folder, hasList ? ParameterListReader.Read(list) : new Dictionary<string, DefinitionParameter>(), hasList);
        if (IsThere(definition.UntrustedFolder) && new FileInfo(definition.UntrustedFolder).LinkTarget is not null)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{definition.UntrustedFolder}: it is a link; put the folder itself there");
        }

        foreach (var action in Enum.GetValues<InstallAction>())
        {
            if (definition.HasTrusted(action))
            {
                SourceFile.CheckTrustedScript(definition.TrustedScript(action));
            }

            if (definition.HasUntrusted(action) && !SourceFile.Read(definition.UntrustedScript(action), int.MaxValue).IsExecutable)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{definition.UntrustedScript(action)}: it is not executable; run 'chmod +x' on it");
            }
        }

        if (IsThere(definition.VerifyScript))
        {
            SourceFile.CheckTrustedScript(definition.VerifyScript);
        }

        return definition;
    }

    private string UntrustedScript(InstallAction action) => Path.Combine(UntrustedFolder, ScriptName(action));

    // A link that leads nowhere is there, too, and is told of by the check.
    private static bool IsThere(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;
}
