namespace ChannelSdk.Transports.Native;

/// <summary>Which file a path leads to, to see whether it is still the same one.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, ushort Mode)
{
    internal bool IsSocket => (Mode & Linux.S_IFMT) == Linux.S_IFSOCK;

    /// <summary>The file at a path, symbolic links not followed; null if there is none or it cannot be seen.</summary>
    internal static FileIdentity? Of(string path) => Of(Linux.AT_FDCWD, path, Linux.AT_SYMLINK_NOFOLLOW);

    /// <summary>The open file of a descriptor, which the caller holds; null if it cannot be seen.</summary>
    internal static FileIdentity? Of(int fd) => Of(fd, "", Linux.AT_EMPTY_PATH);

    private static unsafe FileIdentity? Of(int directory, string path, int flags)
    {
        StatxResult result = default;
        int status = Libc.Statx(directory, path, flags, Linux.STATX_TYPE_MODE_INO, &result);
        return status == 0
            ? new FileIdentity(result.DeviceMajor, result.DeviceMinor, result.Inode, result.Mode)
            : null;
    }
}
