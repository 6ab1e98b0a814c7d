namespace ChannelSdk.Transports.Tests;

/// <summary>A directory of its own with a short path, as socket paths are limited.</summary>
internal sealed class TestDirectory : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("tr-");

    internal string this[string name] => Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);
}
