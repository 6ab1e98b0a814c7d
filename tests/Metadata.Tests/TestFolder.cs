namespace ChannelSdk.Metadata.Tests;

/// <summary>A new folder with a short path, as socket paths are limited.</summary>
internal sealed class TestFolder : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("md-");

    public string Path => _directory.FullName;

    public string this[string name] => System.IO.Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);
}
