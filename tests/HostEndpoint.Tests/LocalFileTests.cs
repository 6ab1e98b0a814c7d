using ChannelSdk.Host.Files;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>What people are told of this host's own files.</summary>
public sealed class LocalFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    public static TheoryData<string, string, ChannelError> Faults => new()
    {
        { "no file", "there is no such file", ChannelError.NotFound },
        { "no folder", "there is no such folder", ChannelError.NotFound },
        { "a folder", "permission denied, or it is no file", ChannelError.PermissionDenied },
        { "a full disk", "no space left on device", ChannelError.FailedPrecondition },
        { "a locked file", "another process has it open", ChannelError.FailedPrecondition },
        { "a file that is there", "file exists", ChannelError.FailedPrecondition },
        { "a long name", "the path is too long", ChannelError.FailedPrecondition },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void An_error_of_a_file_has_the_systems_message_and_the_path_once(string fault, string words, ChannelError code)
    {
        var file = Path.Combine(_folder.FullName, "file");
        using var locked = new FileStream(file, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        var error = Assert.ThrowsAny<Exception>(() =>
        {
            using var other = fault switch
            {
                "no file" => File.OpenRead(file + "2"),
                "no folder" => File.OpenRead(Path.Combine(_folder.FullName, "none", "file")),
                "a folder" => File.OpenRead(_folder.FullName),
                "a full disk" => new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0),
                "a locked file" => File.OpenRead(file),
                "a file that is there" => new FileStream(file, FileMode.CreateNew),
                _ => File.OpenRead(Path.Combine(_folder.FullName, new string('x', 300))),
            };
            other.WriteByte(1);
        });
        var told = LocalFile.ToException(error, "PATH");
        Assert.Equal(($"on this host, PATH: {words}", code), (told.Message, told.Code));
    }
}
