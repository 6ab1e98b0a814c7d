using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>Whose a file is, and what its owner, its group and all others may do with it.</summary>
/// <param name="Uid">Its user.</param>
/// <param name="Gid">Its group.</param>
/// <param name="Mode">Its type and permissions.</param>
public readonly record struct FileOwner(uint Uid, uint Gid, ushort Mode)
{
    /// <summary>Of the file that a path leads to; null if there is none or it cannot be seen.</summary>
    public static FileOwner? Of(string path) => Of(Abi.AT_FDCWD, path, 0);

    /// <summary>Of the open file of a descriptor, which the caller holds; null if it cannot be seen.</summary>
    public static FileOwner? Of(int fd) => Of(fd, "", Abi.AT_EMPTY_PATH);

    private static unsafe FileOwner? Of(int folder, string path, int flags)
    {
        StatxResult result = default;
        return FileCalls.Statx(folder, path, flags, Abi.STATX_TYPE | Abi.STATX_MODE | Abi.STATX_UID | Abi.STATX_GID, &result) == 0
            ? new FileOwner(result.UserId, result.GroupId, result.Mode) : null;
    }
}
