using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Files;

/// <summary>New files of this host and their modes.</summary>
internal static class LocalFileSystem
{
    /// <summary>Makes a file that only this user can read.</summary>
    public static SafeFileHandle Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("copies need a Unix file system");
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        // The handle is what is used; the stream around it has nothing of its own to release.
        return new FileStream(path, options).SafeFileHandle;
    }

    /// <summary>Gives a file its permission bits.</summary>
    public static void SetMode(SafeFileHandle file, uint mode)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, (UnixFileMode)mode);
        }
    }

    /// <summary>A file's permission bits.</summary>
    public static uint ModeOf(SafeFileHandle file) => OperatingSystem.IsWindows() ? 0 : (uint)File.GetUnixFileMode(file);
}
