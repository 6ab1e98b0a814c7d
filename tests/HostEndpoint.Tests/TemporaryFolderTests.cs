using System.Diagnostics;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Folders among the temporary files, and those that a killed owner has left.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class TemporaryFolderTests : IDisposable
{
    private readonly string _prefix = $"sweep-{Guid.NewGuid():N}-";

    public void Dispose() => Array.ForEach(Directory.GetFileSystemEntries(Path.GetTempPath(), _prefix + "*"), static path =>
    {
        if (File.Exists(path))
        {
            File.Delete(path);
        }
        else
        {
            Directory.Delete(path);
        }
    });

    [Fact]
    public void A_folder_goes_with_its_owner_and_no_other_takes_it_before()
    {
        string path;
        using (var folder = TemporaryFolder.Create(_prefix))
        {
            path = folder.Path;
            File.WriteAllText(Path.Combine(path, "file"), "");
            using var other = TemporaryFolder.Create(_prefix);
            Assert.NotEqual(path, other.Path);
            Assert.True(File.Exists(Path.Combine(path, "file")));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
        }

        Assert.False(Directory.Exists(path));
    }

    [Fact]
    public async Task What_a_killed_owner_has_left_is_removed_when_the_next_folder_is_made()
    {
        var left = Directory.CreateTempSubdirectory(_prefix).FullName;
        Directory.CreateDirectory(Path.Combine(left, "a/b"));
        using var owner = Process.Start("flock", ["--no-fork", left, "sleep", "1000"]);
        while (!IsLocked(left))
        {
            await Task.Delay(10);
        }

        TemporaryFolder.Create(_prefix).Dispose();
        Assert.True(Directory.Exists(left), "its owner lives");

        owner.Kill(entireProcessTree: true);
        await owner.WaitForExitAsync();
        TemporaryFolder.Create(_prefix).Dispose();
        Assert.False(Directory.Exists(left));
    }

    [Fact]
    public void Links_and_folders_of_other_users_are_left_alone()
    {
        using var kept = new TestDirectory();
        Directory.CreateDirectory(kept["content"]);
        Directory.CreateSymbolicLink($"{Path.GetTempPath()}/{_prefix}link", kept["content"]);
        var theirs = Directory.CreateTempSubdirectory(_prefix).FullName;
        Assert.Equal(0, FileCalls.LChOwn(theirs, 65534, 65534));

        TemporaryFolder.Create(_prefix).Dispose();

        Assert.True(Directory.Exists(kept["content"]));
        Assert.True(Directory.Exists(theirs));
    }

    private static bool IsLocked(string folder)
    {
        using var probe = Process.Start("flock", ["-n", folder, "true"]);
        probe.WaitForExit();
        return probe.ExitCode != 0;
    }
}
