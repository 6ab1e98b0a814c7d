using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Install.Definitions;

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

    private readonly SourceFolder? _source;
    private readonly IReadOnlyList<InstallScript>? _builtIn;
    private readonly HashSet<string> _trusted = [];
    private readonly HashSet<string> _untrusted = [];

    private OsDefinition(SourceFolder source, OsInterface known, IReadOnlyDictionary<string, DefinitionParameter> parameters, bool hasParameterList) =>
        (_source, Name, Interface, Parameters, HasParameterList) = (source, Path.GetFileName(source.Path), known, parameters, hasParameterList);

    private OsDefinition(string name, IReadOnlyDictionary<string, DefinitionParameter> parameters, IReadOnlyList<InstallScript> scripts) =>
        (_builtIn, Name, Interface, Parameters, HasParameterList) = (scripts, name, OsInterface.Newest, parameters, true);

    /// <summary>Its name, which is its folder's.</summary>
    public string Name { get; }

    /// <summary>Its folder; empty: it is a part of this library.</summary>
    public string Folder => _source?.Path ?? "";

    /// <summary>The parameters that it declares.</summary>
    public IReadOnlyDictionary<string, DefinitionParameter> Parameters { get; }

    /// <summary>Whether it declares its parameters; if not, any are taken.</summary>
    public bool HasParameterList { get; }

    /// <summary>Whether it has a verify, which checks parameters on the host before an operation.</summary>
    public bool HasVerify => _trusted.Contains(VerifyName);

    /// <summary>Whether an action has a half on the host.</summary>
    public bool HasTrusted(InstallAction action) => _trusted.Contains(ScriptName(action));

    /// <summary>Whether an action has a half in an appliance.</summary>
    public bool HasUntrusted(InstallAction action) => _untrusted.Contains(ScriptName(action));

    /// <summary>What its scripts know.</summary>
    internal OsInterface Interface { get; }

    internal string VerifyScript => Path.Combine(Folder, VerifyName);

    internal string TrustedScript(InstallAction action) => Path.Combine(Folder, ScriptName(action));

    internal string UntrustedScript(InstallAction action) => Path.Combine(Folder, UntrustedFolderName, ScriptName(action));

    internal static string ScriptName(InstallAction action) => action.ToString().ToLowerInvariant();

    /// <summary>Reads a definition and checks all that is there.</summary>
    /// <param name="source">Its folder, which belongs to the definition from then on and is closed with it by the collector.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a file of it, and what is wrong with that.</exception>
    internal static OsDefinition Load(SourceFolder source)
    {
        var known = OsInterface.Read(source);
        using var list = source.File(ParametersName);
        var parameters = list is null ? new Dictionary<string, DefinitionParameter>() : ParameterListReader.Read(list, known.IsGaneti);
        var definition = new OsDefinition(source, known, parameters, list is not null);
        using var untrusted = source.Folder(UntrustedFolderName);
        foreach (var name in Enum.GetValues<InstallAction>().Select(ScriptName))
        {
            definition.FindTrusted(name);
            using var file = untrusted?.File(name);
            if (file is { IsExecutable: false })
            {
                throw SourceFolder.Wrong(file.Path, "it is not executable; run 'chmod +x' on it");
            }

            if (file is not null)
            {
                definition._untrusted.Add(name);
            }
        }

        definition.FindTrusted(VerifyName);
        if (definition._trusted.Count > 0)
        {
            definition.RequireTrustedPlace();
        }

        return definition;
    }

    /// <summary>A definition that has no folder: an action's half in an appliance.</summary>
    internal static OsDefinition BuiltIn(string name, IReadOnlyDictionary<string, DefinitionParameter> parameters, IReadOnlyList<InstallScript> scripts, InstallAction action)
    {
        var definition = new OsDefinition(name, parameters, scripts);
        definition._untrusted.Add(ScriptName(action));
        return definition;
    }

    /// <summary>Opens the script of an action for the host, checked; the checked file is the one that runs.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it went away, or cannot be trusted any more.</exception>
    internal SourceFile OpenTrusted(InstallAction action) => OpenTrusted(ScriptName(action));

    /// <summary>Opens the verify, checked.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it went away, or cannot be trusted any more.</exception>
    internal SourceFile OpenVerify() => OpenTrusted(VerifyName);

    /// <summary>Reads what an appliance is given.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one of the files cannot be sent, and why.</exception>
    internal IReadOnlyList<InstallScript> ReadUntrusted()
    {
        if (_builtIn is not null)
        {
            return _builtIn;
        }

        using var folder = _source!.Folder(UntrustedFolderName) ?? throw SourceFolder.Wrong(Path.Combine(Folder, UntrustedFolderName), "it went away");
        return UntrustedFiles.Read(folder);
    }

    private void FindTrusted(string name)
    {
        using var file = _source!.File(name);
        if (file is not null)
        {
            file.RequireTrustedScript();
            _trusted.Add(name);
        }
    }

    private SourceFile OpenTrusted(string name)
    {
        var file = _source!.File(name) ?? throw SourceFolder.Wrong(Path.Combine(Folder, name), "it went away");
        try
        {
            file.RequireTrustedScript();
            RequireTrustedPlace();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Checks that the folders above, and all that a script of the host may read beside itself, are safe from other users.</summary>
    private void RequireTrustedPlace()
    {
        _source!.RequireTrusted($"a script in it {SourceFolder.RunsOnHost}");
        _source!.RequireTrustedContent(UntrustedFolderName);
    }
}
