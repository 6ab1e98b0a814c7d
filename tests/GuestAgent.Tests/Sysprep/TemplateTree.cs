using System.IO.Enumeration;

namespace ChannelSdk.GuestAgent.Tests.Sysprep;

/// <summary>A folder that looks like a template's root.</summary>
internal sealed class TemplateTree : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sysprep-");

    public TemplateTree()
    {
        Root = _folder.CreateSubdirectory("root").FullName;
        Outside = _folder.CreateSubdirectory("outside").FullName;
        foreach (var folder in (string[])["etc", "var/log", "var/tmp", "tmp", "root", "home/alice/.ssh"])
        {
            Directory.CreateDirectory($"{Root}/{folder}");
        }
    }

    public string Root { get; }

    /// <summary>A folder beside the root.</summary>
    public string Outside { get; }

    /// <summary>Writes a file, with the folders above it.</summary>
    public string Put(string path, string text = "content")
    {
        var whole = $"{Root}/{path}";
        Directory.CreateDirectory(Path.GetDirectoryName(whole)!);
        File.WriteAllText(whole, text);
        return whole;
    }

    /// <summary>All that is there but folders, from the root, sorted.</summary>
    public string[] Files() => [.. new FileSystemEnumerable<string>(Root, static (ref FileSystemEntry e) => e.ToFullPath(), new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
    {
        ShouldIncludePredicate = static (ref FileSystemEntry e) => !e.IsDirectory || IsLink(ref e),
        ShouldRecursePredicate = static (ref FileSystemEntry e) => !IsLink(ref e),
    }.Select(path => Path.GetRelativePath(Root, path)).Order(StringComparer.Ordinal)];

    public void Dispose() => _folder.Delete(recursive: true);

    private static bool IsLink(ref FileSystemEntry entry) => entry.Attributes.HasFlag(FileAttributes.ReparsePoint);
}
