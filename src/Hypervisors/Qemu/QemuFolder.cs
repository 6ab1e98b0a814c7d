using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The folder with the sockets of one guest.</summary>
internal static class QemuFolder
{
    /// <summary>Makes what QEMU needs its user's.</summary>
    /// <exception cref="ChannelException">Why it cannot be given away.</exception>
    public static void Give(string folder, string? secret, QemuUser user)
    {
        GiveTo(folder, user, Abi.O_DIRECTORY);
        if (secret is not null)
        {
            GiveTo(secret, user, Abi.O_NOFOLLOW);
        }
    }

    /// <summary>Removes it with all that is in it.</summary>
    public static void Remove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A leftover in a folder of temporary files does no harm.
        }
    }

    private static void GiveTo(string path, QemuUser user, int kind)
    {
        try
        {
            using var handle = new SafeFileHandle(FileCalls.Open(path, kind | Abi.O_CLOEXEC, 0), ownsHandle: true);
            LocalFile.SetOwner(handle, user.Uid, user.Gid);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or ObjectDisposedException)
        {
            throw LocalFile.ToException(e, path);
        }
    }
}
