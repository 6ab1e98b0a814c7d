namespace ChannelSdk.GuestAgent.Tests;

internal sealed class TemporaryFile : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("agent-test-");

    public TemporaryFile(string text)
    {
        Path = System.IO.Path.Combine(_folder.FullName, "file");
        File.WriteAllText(Path, text);
    }

    public string Path { get; }

    public void Dispose() => _folder.Delete(recursive: true);
}
