using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Definitions;

/// <summary>
/// The untrusted folder of a definition with its folders, or all of a confined definition, as an appliance is given it (install.proto,
/// InstallScript). What a link leads to goes in place of the link: a file or folder beneath the folder, or a file elsewhere
/// where no other user than root and this program's can have made the link (<see cref="TrustedLink"/>).
/// </summary>
internal sealed class UntrustedFiles
{
    private readonly List<InstallScript> _files = [];
    /// <summary>The folders that the walk is in.</summary>
    private readonly List<FileIdentity?> _inside = [];
    private int _entries;
    private int _total;

    /// <summary>What links do not leave.</summary>
    private SourceFolder _root;

    /// <summary>Begins the names of all that is in it.</summary>
    private string _place = "";

    private UntrustedFiles(SourceFolder root) => _root = root;

    /// <summary>Reads all files.</summary>
    /// <param name="folder">The folder of the scripts.</param>
    /// <param name="elsewhere">Absolute paths of files and folders that go to the same place.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one of them cannot be sent, and why.</exception>
    public static IReadOnlyList<InstallScript> Read(SourceFolder folder, IReadOnlyList<string>? elsewhere = null)
    {
        var result = new UntrustedFiles(folder);
        result.Add(folder, "", 1);
        foreach (var path in elsewhere ?? [])
        {
            result.AddElsewhere(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        }

        return result._files;
    }

    private void AddElsewhere(string path)
    {
        using var parent = SourceFolder.Open(Path.GetDirectoryName(path) ?? throw SourceFolder.Wrong(path, "an appliance has its own; name files and folders in it"));
        var name = Path.GetFileName(path);
        using var folder = parent.HasFolder(name) ? parent.Folder(name) : null;
        var depth = path.Count('/') + (folder is null ? 0 : 1);
        if (depth > ScriptLimits.MaxFileDepth)
        {
            throw SourceFolder.Wrong(path, $"an appliance is given files whose paths have at most {ScriptLimits.MaxFileDepth} parts");
        }

        if (folder is not null)
        {
            (_root, _place) = (folder, path + "/");
            Add(folder, "", depth);
            return;
        }

        using var file = parent.LinkedFile(name) ?? throw SourceFolder.Wrong(path, "there is no such file or folder, and confined definitions are to find it");
        if (++_entries > ScriptLimits.MaxFiles)
        {
            throw TooMuch();
        }

        _place = "";
        Add(file, path);
    }

    private void Add(SourceFolder folder, string prefix, int depth)
    {
        var identity = FileIdentity.Of((int)folder.Handle.DangerousGetHandle());
        if (_inside.Contains(identity))
        {
            throw SourceFolder.Wrong(folder.Path, "it is a link to a folder that it lies in");
        }

        _inside.Add(identity);
        foreach (var name in folder.Names(ScriptLimits.MaxFiles + 1))
        {
            // Folders count too: a walk of them has no other end.
            if (++_entries > ScriptLimits.MaxFiles)
            {
                throw TooMuch();
            }

            using var entry = Open(folder, name, prefix + name) ?? throw SourceFolder.Wrong(Path.Combine(folder.Path, name), "it went away while the folder was read");
            if (entry is SourceFile file)
            {
                Add(file, prefix + name);
                continue;
            }

            var inner = (SourceFolder)entry;
            if (depth == ScriptLimits.MaxFileDepth)
            {
                throw SourceFolder.Wrong(inner.Path, $"an appliance is given folders that are at most {ScriptLimits.MaxFileDepth - 1} deep");
            }

            Add(inner, $"{prefix}{name}/", depth + 1);
        }

        _inside.RemoveAt(_inside.Count - 1);
    }

    private IDisposable? Open(SourceFolder folder, string name, string path) =>
        folder.HasLink(name) ? _root.Beneath(path) ?? TrustedLink.Follow(folder, name)
        : folder.HasFolder(name) ? folder.Folder(name)
        : folder.File(name);

    private void Add(SourceFile file, string path)
    {
        var content = file.Read(ScriptLimits.MaxFileBytes);
        _total += content.Length;
        if (_total > ScriptLimits.MaxAllFileBytes)
        {
            throw TooMuch();
        }

        _files.Add(new InstallScript { Name = _place + path, IsExecutable = file.IsExecutable, Content = UnsafeByteOperations.UnsafeWrap(content) });
    }

    private ChannelException TooMuch() => new(ChannelError.BadConfiguration, ErrorClass.Refused,
        $"{_root.Path}: an appliance is given at most {ScriptLimits.MaxFiles} files and folders with {ScriptLimits.MaxAllFileBytes} bytes in all; let the script fetch what is larger, or build it into the appliance");
}
