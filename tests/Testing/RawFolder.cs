using System.Diagnostics;

namespace ChannelSdk.Testing;

/// <summary>Folders of tests whose names are not all UTF-8, which is out of the library's reach.</summary>
public static class RawFolder
{
    /// <summary>Removes a folder with all that is in it.</summary>
    public static async Task RemoveAsync(string path)
    {
        using var remove = Process.Start("/bin/rm", ["-rf", path]);
        await remove.WaitForExitAsync();
        Assert.Equal(0, remove.ExitCode);
    }
}
