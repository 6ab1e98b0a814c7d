using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace ChannelSdk.Demo;

/// <summary>The demo's personalization package.</summary>
internal static class DemoPackage
{
    /// <summary>What it says in the installed system.</summary>
    public const string Motd = "personalized by a package that the host never unpacked\n";

    /// <summary>Where.</summary>
    public const string Path = "/etc/motd";

    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Executable = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Writes it.</summary>
    /// <param name="file">Where to.</param>
    /// <param name="others">What it has besides.</param>
    public static void Write(string file, IEnumerable<DemoFile> others)
    {
        using var gzip = new GZipStream(File.Create(file), CompressionLevel.Fastest);
        using var tar = new TarWriter(gzip);
        foreach (var next in others.Prepend(new DemoFile(Path, Encoding.UTF8.GetBytes(Motd))))
        {
            tar.WriteEntry(next.IsLink
                ? new PaxTarEntry(TarEntryType.SymbolicLink, next.Path[1..]) { LinkName = Encoding.UTF8.GetString(next.Content.Span) }
                : new PaxTarEntry(TarEntryType.RegularFile, next.Path[1..])
                {
                    Mode = next.IsExecutable ? Readable | Executable : Readable,
                    DataStream = new MemoryStream(next.Content.ToArray()),
                });
        }
    }
}
