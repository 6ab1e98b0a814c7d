using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Definitions;

/// <summary>The untrusted folder of a definition with its folders, as an appliance is given it (install.proto, InstallScript).</summary>
internal sealed class UntrustedFiles
{
    private readonly List<InstallScript> _files = [];
    private readonly string _path;
    private int _entries;
    private int _total;

    private UntrustedFiles(string path) => _path = path;

    /// <summary>Reads all files.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one of them cannot be sent, and why.</exception>
    public static IReadOnlyList<InstallScript> Read(SourceFolder folder)
    {
        var result = new UntrustedFiles(folder.Path);
        result.Add(folder, "", 1);
        return result._files;
    }

    private void Add(SourceFolder folder, string prefix, int depth)
    {
        foreach (var name in folder.Names(ScriptLimits.MaxFiles + 1))
        {
            // Folders count too: a walk of them has no other end.
            if (++_entries > ScriptLimits.MaxFiles)
            {
                throw TooMuch();
            }

            if (!folder.HasFolder(name))
            {
                Add(folder, name, prefix + name);
                continue;
            }

            using var inner = folder.Folder(name) ?? throw WentAway(folder, name);
            if (depth == ScriptLimits.MaxFileDepth)
            {
                throw SourceFolder.Wrong(inner.Path, $"an appliance is given folders that are at most {ScriptLimits.MaxFileDepth - 1} deep");
            }

            Add(inner, $"{prefix}{name}/", depth + 1);
        }
    }

    private void Add(SourceFolder folder, string name, string path)
    {
        using var file = folder.File(name) ?? throw WentAway(folder, name);
        var content = file.Read(ScriptLimits.MaxFileBytes);
        _total += content.Length;
        if (_total > ScriptLimits.MaxAllFileBytes)
        {
            throw TooMuch();
        }

        _files.Add(new InstallScript { Name = path, IsExecutable = file.IsExecutable, Content = UnsafeByteOperations.UnsafeWrap(content) });
    }

    private ChannelException TooMuch() => new(ChannelError.BadConfiguration, ErrorClass.Refused,
        $"{_path}: an appliance is given at most {ScriptLimits.MaxFiles} files and folders with {ScriptLimits.MaxAllFileBytes} bytes in all; let the script fetch what is larger, or build it into the appliance");

    private static ChannelException WentAway(SourceFolder folder, string name) =>
        SourceFolder.Wrong(Path.Combine(folder.Path, name), "it went away while the folder was read");
}
