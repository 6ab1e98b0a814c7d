namespace ChannelSdk.Testing;

/// <summary>A new directory with a short path, as socket paths are limited.</summary>
public sealed class TestDirectory : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("tr-");

    public string this[string name] => Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);
}
