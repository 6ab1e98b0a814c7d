using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>The folder with the sockets of one guest.</summary>
internal static class QemuFolder
{
    /// <summary>Gives a file to QEMU's user, and opens it.</summary>
    /// <exception cref="ChannelException">Why it cannot be given away.</exception>
    public static SafeFileHandle Give(string path, QemuUser user)
    {
        var file = new SafeFileHandle(FileCalls.Open(path, Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0), ownsHandle: true);
        try
        {
            LocalFile.SetOwner(file, user.Uid, user.Gid);
            return file;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or ObjectDisposedException)
        {
            file.Dispose();
            throw LocalFile.ToException(e, path);
        }
    }
}
