using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>Which file a path leads to, to see whether it is still the same one.</summary>
public readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, ushort Mode)
{
    public bool IsRegular => (Mode & Abi.S_IFMT) == Abi.S_IFREG;

    public bool IsFolder => (Mode & Abi.S_IFMT) == Abi.S_IFDIR;

    public bool IsLink => (Mode & Abi.S_IFMT) == Abi.S_IFLNK;

    public bool IsBlockDevice => (Mode & Abi.S_IFMT) == Abi.S_IFBLK;

    public bool IsSocket => (Mode & Abi.S_IFMT) == Abi.S_IFSOCK;

    /// <summary>The file at a path, symbolic links not followed; null if there is none or it cannot be seen.</summary>
    public static FileIdentity? Of(string path) => Of(Abi.AT_FDCWD, path, Abi.AT_SYMLINK_NOFOLLOW);

    /// <summary>The open file of a descriptor, which the caller holds; null if it cannot be seen.</summary>
    public static FileIdentity? Of(int fd) => Of(fd, "", Abi.AT_EMPTY_PATH);

    private static unsafe FileIdentity? Of(int directory, string path, int flags)
    {
        StatxResult result = default;
        var status = FileCalls.Statx(directory, path, flags, Abi.STATX_TYPE | Abi.STATX_MODE | Abi.STATX_INO, &result);
        return status == 0
            ? new FileIdentity(result.DeviceMajor, result.DeviceMinor, result.Inode, result.Mode)
            : null;
    }
}
