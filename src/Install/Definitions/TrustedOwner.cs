using ChannelSdk.Host.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Definitions;

/// <summary>Whether an open file or folder is safe from other users than root and this program's.</summary>
internal static class TrustedOwner
{
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Checks that only root and this program's user can change what is open. In a sticky folder a user can change only own entries.</summary>
    /// <param name="handle">The open file or folder.</param>
    /// <param name="path">Where it was found.</param>
    /// <param name="why">Why that matters, as a clause.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>.</exception>
    public static void Require(SafeFileHandle handle, string path, string why)
    {
        RequireOwner(handle, path, why);
        var mode = File.GetUnixFileMode(handle);
        if ((mode & OthersWrite) != 0 && (mode & UnixFileMode.StickyBit) == 0)
        {
            throw SourceFolder.Wrong(path, $"{((mode & UnixFileMode.OtherWrite) != 0 ? "everybody" : "its group")} may write it, and {why}; run 'chmod go-w' on it");
        }
    }

    /// <summary>Checks that root or this program's user has made it, which for a link is all.</summary>
    /// <param name="handle">The open file, folder or link.</param>
    /// <param name="path">Where it was found.</param>
    /// <param name="why">Why that matters, as a clause.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>.</exception>
    public static void RequireOwner(SafeFileHandle handle, string path, string why)
    {
        var (owner, _) = LocalFile.OwnerOf(handle);
        if (owner != 0 && owner != ProcessCalls.GetEUid())
        {
            throw SourceFolder.Wrong(path, $"it belongs to user {owner}, and {why}; give it to root or to this program's user");
        }
    }
}
