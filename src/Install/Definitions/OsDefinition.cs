using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// How an operating system is installed: a folder with the scripts create, export, import and rename, which run on the
/// host, the same under untrusted/, which run in an appliance, a parameters.list and a verify. All of them may be missing;
/// an action needs one of its two halves. One that the administrator confines has none for the host: its folder is the one
/// that the appliance is given.
/// </summary>
public sealed class OsDefinition
{
    internal const string UntrustedFolderName = "untrusted";
    private const string ParametersName = "parameters.list";

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

    /// <summary>Whether all of its scripts run in the appliance.</summary>
    public bool IsConfined { get; private init; }

    /// <summary>Whether it has a verify, which checks parameters on the host before an operation.</summary>
    public bool HasVerify => _trusted.Contains(InstallNames.Verify);

    /// <summary>Whether an action has a half on the host.</summary>
    public bool HasTrusted(InstallAction action) => _trusted.Contains(ScriptName(action));

    /// <summary>Whether an action has a half in an appliance.</summary>
    public bool HasUntrusted(InstallAction action) => _untrusted.Contains(ScriptName(action));

    /// <summary>What its scripts find in the appliance besides, if it is confined.</summary>
    private IReadOnlyList<string> ConfinedFiles { get; init; } = [];

    /// <summary>Whether it has a verify that checks parameters in the appliance.</summary>
    internal bool HasUntrustedVerify => _untrusted.Contains(InstallNames.Verify);

    /// <summary>What its scripts know.</summary>
    internal OsInterface Interface { get; }

    internal string VerifyScript => Path.Combine(Folder, InstallNames.Verify);

    internal string TrustedScript(InstallAction action) => Path.Combine(Folder, ScriptName(action));

    internal string UntrustedScript(InstallAction action) => Path.Combine(Folder, IsConfined ? "" : UntrustedFolderName, ScriptName(action));

    internal static string ScriptName(InstallAction action) => action.ToString().ToLowerInvariant();

    /// <summary>Reads a definition and checks all that is there.</summary>
    /// <param name="source">Its folder, which belongs to the definition from then on and is closed with it by the collector.</param>
    /// <param name="confined">Where its scripts for the host are to run in the appliance: what they find there besides; with an <c>untrusted</c> folder it stays as it is. Null: they run on the host.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a file of it, and what is wrong with that.</exception>
    internal static OsDefinition Load(SourceFolder source, IReadOnlyList<string>? confined = null)
    {
        var known = OsInterface.Read(source);
        using var list = source.LinkedFile(ParametersName);
        var parameters = list is null ? new Dictionary<string, DefinitionParameter>() : ParameterListReader.Read(list, known.IsGaneti);
        using var untrusted = source.Folder(UntrustedFolderName);
        var definition = new OsDefinition(source, known, parameters, list is not null) { IsConfined = confined is not null && untrusted is null, ConfinedFiles = confined ?? [] };
        string[] actions = [.. Enum.GetValues<InstallAction>().Select(ScriptName)];
        if (definition.IsConfined)
        {
            Array.ForEach([.. actions, InstallNames.Verify], name => definition.FindUntrusted(source, name));
            return definition;
        }

        Array.ForEach([.. actions, InstallNames.Verify], definition.FindTrusted);
        if (untrusted is not null)
        {
            Array.ForEach(actions, name => definition.FindUntrusted(untrusted, name));
        }

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
    internal SourceFile OpenVerify() => OpenTrusted(InstallNames.Verify);

    /// <summary>Reads what an appliance is given.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one of the files cannot be sent, and why.</exception>
    internal IReadOnlyList<InstallScript> ReadUntrusted()
    {
        if (_builtIn is not null)
        {
            return _builtIn;
        }

        if (IsConfined)
        {
            return UntrustedFiles.Read(_source!, ConfinedFiles);
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

    private void FindUntrusted(SourceFolder folder, string name)
    {
        using var file = folder.LinkedFile(name);
        if (file is not null)
        {
            _untrusted.Add(file.IsExecutable ? name : throw SourceFolder.Wrong(file.Path, "it is not executable; run 'chmod +x' on it"));
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
