using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Files;

/// <summary>What changes with a file's content: which file it is, its length, and when it was written. All zero for a missing file.</summary>
public readonly record struct FileStamp(ulong Inode, ulong Size, long ModifiedSeconds, uint ModifiedNanoseconds)
{
    /// <summary>The stamp of the file that a path leads to.</summary>
    public static unsafe FileStamp Of(string path)
    {
        StatxResult facts = default;
        return FileCalls.Statx(Abi.AT_FDCWD, path, 0, Abi.STATX_BASIC_STATS, &facts) == 0
            ? new FileStamp(facts.Inode, facts.Size, facts.ModifiedSeconds, facts.ModifiedNanoseconds) : default;
    }
}
