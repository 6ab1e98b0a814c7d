using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>What the system knows of a file.</summary>
internal static class FileFacts
{
    private const int TypeMask = 0xF000;
    private const int TypeLink = 0xA000;
    private const int MaxLinkTarget = 4096;

    /// <summary>The facts of an open file; of a link that was opened as such, its target too.</summary>
    public static unsafe FileStat Of(SafeFileHandle file, string shown)
    {
        FileCalls.Statx raw = Raw(file, shown);
        var facts = new FileStat
        {
            Kind = KindOf(raw.Mode),
            Size = raw.Size,
            AllocatedBytes = raw.Blocks512 * 512,
            Mode = raw.Mode & 0xFFFu,
            Uid = raw.Uid,
            Gid = raw.Gid,
            ModifiedUnixNs = raw.ModifiedSeconds * 1_000_000_000 + raw.ModifiedNanoseconds,
            Inode = raw.Inode,
            Device = (ulong)raw.DeviceMajor << 32 | raw.DeviceMinor,
        };
        if (facts.Kind == FileKind.Link)
        {
            byte* target = stackalloc byte[MaxLinkTarget];
            byte empty = 0;
            nint length = FileCalls.ReadLinkAt(file, &empty, target, MaxLinkTarget);
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
            int fd = FileCalls.OpenAt(folder, bytes, FileCalls.PathOnly | FileCalls.NoFollow | FileCalls.CloseOnExec, 0);
            if (fd < 0)
            {
                return FileFailure.Last == FileFailure.Enoent ? null : throw FileFailure.OfLast("look at", shown);
            }
            using var entry = new SafeFileHandle(fd, ownsHandle: true);
            return Of(entry, shown);
        }
    }

    /// <summary>Whether an entry of a folder is a symbolic link.</summary>
    public static unsafe bool IsLink(SafeFileHandle folder, ReadOnlySpan<byte> name)
    {
        FileCalls.Statx raw;
        fixed (byte* bytes = name)
        {
            return FileCalls.StatxAt(folder, bytes, FileCalls.AtNoFollow, FileCalls.BasicStats, &raw) == 0 && (raw.Mode & TypeMask) == TypeLink;
        }
    }

    /// <summary>The kind in the type bits of a mode.</summary>
    public static FileKind KindOf(int mode) => (mode & TypeMask) switch
    {
        0x8000 => FileKind.Regular,
        0x4000 => FileKind.Folder,
        TypeLink => FileKind.Link,
        0x2000 or 0x6000 => FileKind.Device,
        0x1000 => FileKind.Pipe,
        0xC000 => FileKind.Socket,
        _ => FileKind.Other,
    };

    /// <summary>The facts of an open file as the kernel gives them.</summary>
    public static unsafe FileCalls.Statx Raw(SafeFileHandle file, string shown)
    {
        FileCalls.Statx raw;
        byte empty = 0;
        return FileCalls.StatxAt(file, &empty, FileCalls.AtEmptyPath, FileCalls.BasicStats, &raw) == 0
            ? raw
            : throw FileFailure.OfLast("look at", shown);
    }
}
