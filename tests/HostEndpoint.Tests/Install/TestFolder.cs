namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>A folder for one test, which goes with it.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("channelsdk-test-").FullName;

    public string At(params string[] names) => System.IO.Path.Combine([Path, .. names]);

    /// <summary>A file, its folders included; a script is executable.</summary>
    public string Write(string name, string content, bool isScript = false)
    {
        var path = At(name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, (UnixFileMode)(isScript ? 0b111_101_101 : 0b110_100_100));
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
