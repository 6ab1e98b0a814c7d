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

    /// <summary>Writes it.</summary>
    public static void Write(string file)
    {
        using var gzip = new GZipStream(File.Create(file), CompressionLevel.Optimal);
        using var tar = new TarWriter(gzip);
        tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, Path[1..])
        {
            Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead,
            DataStream = new MemoryStream(Encoding.UTF8.GetBytes(Motd)),
        });
    }
}
