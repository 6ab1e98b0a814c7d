using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>What the system knows of a file.</summary>
internal static class FileFacts
{
    private const int MaxLinkTarget = 4096;

    /// <summary>The facts of an open file; of a link that was opened as such, its target too.</summary>
    public static unsafe FileStat Of(SafeFileHandle file, string shown)
    {
        var raw = Raw(file, shown);
        var facts = new FileStat
        {
            Kind = KindOf(raw.Mode),
            Size = raw.Size,
            AllocatedBytes = raw.Blocks512 * 512,
            Mode = raw.Mode & 0xFFFu,
            Uid = raw.UserId,
            Gid = raw.GroupId,
            ModifiedUnixNs = raw.ModifiedSeconds * 1_000_000_000 + raw.ModifiedNanoseconds,
            Inode = raw.Inode,
            Device = (ulong)raw.DeviceMajor << 32 | raw.DeviceMinor,
        };
        if (facts.Kind == FileKind.Link)
        {
            var target = stackalloc byte[MaxLinkTarget];
            byte empty = 0;
            var length = FileCalls.ReadLinkAt(file, &empty, target, MaxLinkTarget);
            facts.LinkTarget = length < 0 ? ByteString.Empty : ByteString.CopyFrom(new ReadOnlySpan<byte>(target, (int)length));
        }

        return facts;
    }

    /// <summary>Whether two facts are of the same file with the same content, as far as its inode can tell.</summary>
    public static bool AreSame(FileStat one, FileStat two) =>
        (one.Device, one.Inode, one.Size, one.ModifiedUnixNs) == (two.Device, two.Inode, two.Size, two.ModifiedUnixNs);

    /// <summary>The facts of an entry of a folder, a link not followed; null if there is none.</summary>
    public static unsafe FileStat? OfEntry(SafeFileHandle folder, ReadOnlySpan<byte> name, string shown)
    {
        fixed (byte* bytes = name)
        {
            var fd = FileCalls.OpenAt(folder, bytes, Abi.O_PATH | Abi.O_NOFOLLOW | Abi.O_CLOEXEC, 0);
            if (fd < 0)
            {
                return Errno.Last == Errno.ENOENT ? null : throw FileFailure.OfLast("look at", shown);
            }

            using var entry = new SafeFileHandle(fd, ownsHandle: true);
            return Of(entry, shown);
        }
    }

    /// <summary>Whether an entry of a folder is a symbolic link.</summary>
    public static unsafe bool IsLink(SafeFileHandle folder, ReadOnlySpan<byte> name)
    {
        StatxResult raw;
        fixed (byte* bytes = name)
        {
            return FileCalls.Statx(folder, bytes, Abi.AT_SYMLINK_NOFOLLOW, Abi.STATX_BASIC_STATS, &raw) == 0 && (raw.Mode & Abi.S_IFMT) == Abi.S_IFLNK;
        }
    }

    /// <summary>The facts of an entry of a folder as the kernel gives them, a link not followed.</summary>
    /// <returns>Whether there is such an entry.</returns>
    public static unsafe bool TryOfEntry(SafeFileHandle folder, ReadOnlySpan<byte> name, string shown, out StatxResult facts)
    {
        fixed (byte* bytes = name)
        fixed (StatxResult* raw = &facts)
        {
            return FileCalls.Statx(folder, bytes, Abi.AT_SYMLINK_NOFOLLOW, Abi.STATX_BASIC_STATS, raw) == 0
                || (Errno.Last == Errno.ENOENT ? false : throw FileFailure.OfLast("look at an entry of", shown));
        }
    }

    /// <summary>The kind in the type bits of a mode.</summary>
    public static FileKind KindOf(int mode) => (mode & Abi.S_IFMT) switch
    {
        Abi.S_IFREG => FileKind.Regular,
        0x4000 => FileKind.Folder,
        Abi.S_IFLNK => FileKind.Link,
        0x2000 or 0x6000 => FileKind.Device,
        0x1000 => FileKind.Pipe,
        Abi.S_IFSOCK => FileKind.Socket,
        _ => FileKind.Other,
    };

    /// <summary>The facts of an open file as the kernel gives them.</summary>
    public static unsafe StatxResult Raw(SafeFileHandle file, string shown)
    {
        StatxResult raw;
        byte empty = 0;
        return FileCalls.Statx(file, &empty, Abi.AT_EMPTY_PATH, Abi.STATX_BASIC_STATS, &raw) == 0
            ? raw
            : throw FileFailure.OfLast("look at", shown);
    }
}
