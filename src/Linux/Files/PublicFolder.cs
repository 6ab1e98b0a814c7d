namespace ChannelSdk.Linux.Files;

/// <summary>Folders that all users may go through, and of which only their owner sees what is in them.</summary>
public static class PublicFolder
{
    private const UnixFileMode Passable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Makes it and those above it that are not there, whatever the mask of this process is.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static void Ensure(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        if (Path.GetDirectoryName(folder) is { } parent)
        {
            Ensure(parent);
        }

        Directory.CreateDirectory(folder, Passable);
        File.SetUnixFileMode(folder, Passable);
    }
}
