using System.Runtime.InteropServices;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>What is mounted at a folder and below it.</summary>
internal static class InstallMounts
{
    private const int Detach = 2;
    private const int NoFollow = 8;
    // Processes that were killed need a moment until they let go.
    private const int Attempts = 20;
    private static readonly TimeSpan s_moment = TimeSpan.FromMilliseconds(100);

    /// <summary>Whether something is mounted at the folder itself.</summary>
    public static bool IsMounted(string folder) => List(folder).Contains(folder);

    /// <summary>Unmounts all of it, the newest first, which brings it to the disk.</summary>
    /// <returns>Null, or what could not be unmounted; it is detached, and goes with its last user.</returns>
    public static string? UnmountAll(string folder)
    {
        string? failure = null;
        var mounts = List(folder);
        for (var i = mounts.Count - 1; i >= 0; i--)
        {
            if (Unmount(mounts[i]) is { } error)
            {
                failure ??= $"{LogText.Escape(mounts[i], 200)} cannot be unmounted: {error}";
                _ = SystemCalls.Unmount(mounts[i], Detach | NoFollow);
            }
        }

        if (failure is not null)
        {
            SystemCalls.Sync();
        }

        return failure;
    }

    private static string? Unmount(string path)
    {
        for (var i = 0; ; i++)
        {
            if (SystemCalls.Unmount(path, NoFollow) == 0)
            {
                return null;
            }

            var errno = Errno.Last;
            if (errno != Errno.EBUSY || i == Attempts)
            {
                return Errno.Message(errno);
            }

            Thread.Sleep(s_moment);
        }
    }

    private static List<string> List(string folder)
    {
        var paths = new List<string>();
        foreach (var entry in new LinuxFreezePlatform().ReadMounts().Entries)
        {
            if (entry.Path == folder || entry.Path.StartsWith(folder + "/", StringComparison.Ordinal))
            {
                paths.Add(entry.Path);
            }
        }

        return paths;
    }
}
