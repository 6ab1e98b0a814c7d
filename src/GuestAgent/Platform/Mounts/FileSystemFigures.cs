using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Platform.Mounts;

/// <summary>How full a file system is.</summary>
/// <param name="TotalBytes">What it holds.</param>
/// <param name="FreeBytes">What is free of it.</param>
/// <param name="AvailableBytes">What of that a user without privileges may use.</param>
internal readonly record struct FileSystemFigures(ulong TotalBytes, ulong FreeBytes, ulong AvailableBytes)
{
    /// <summary>
    /// Asks the file system (statvfs(3)), or gives zeros where that fails. May never return: it waits for a program that the file system
    /// is made by, or for one that the way to it leads through.
    /// </summary>
    public static unsafe FileSystemFigures Of(MountEntry mount)
    {
        StatVfs answer = default;
        fixed (byte* path = mount.PathBytes())
        {
            return FileCalls.StatVfsAt(path, &answer) != 0 ? default
                : new FileSystemFigures(answer.Fragments * answer.FragmentSize, answer.FreeFragments * answer.FragmentSize, answer.AvailableFragments * answer.FragmentSize);
        }
    }
}
