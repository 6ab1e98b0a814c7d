using ChannelSdk.Host.Connection;

namespace ChannelSdk.Host.Files;

/// <summary>What a guest says that a file is: the claim of a party that is not trusted.</summary>
public sealed record FileStat
{
    /// <summary>Its kind.</summary>
    public FileKind Kind { get; init; }
    /// <summary>Bytes of its content.</summary>
    public long Size { get; init; }
    /// <summary>Bytes on the disk, which holes make fewer than the size.</summary>
    public long AllocatedBytes { get; init; }
    /// <summary>Permission bits.</summary>
    public UnixFileMode Mode { get; init; }
    /// <summary>Its owner.</summary>
    public long Uid { get; init; }
    /// <summary>Its group.</summary>
    public long Gid { get; init; }
    /// <summary>When its content was changed, UTC, to 100 ns.</summary>
    public DateTime Modified { get; init; }
    /// <summary>Its number in its file system.</summary>
    public ulong Inode { get; init; }
    /// <summary>Its file system's number.</summary>
    public ulong Device { get; init; }
    /// <summary>Where a link leads: raw bytes, which <see cref="GuestPath"/> prints escaped; null for what is no link.</summary>
    public GuestPath? LinkTarget { get; init; }

    internal static FileStat Of(Protocol.Services.FileStat untrusted) => new()
    {
        Kind = GuestClaim.Value<FileKind>((int)untrusted.Kind),
        Size = GuestClaim.Number(untrusted.Size),
        AllocatedBytes = GuestClaim.Number(untrusted.AllocatedBytes),
        Mode = (UnixFileMode)(untrusted.Mode & 0xFFF),
        Uid = untrusted.Uid,
        Gid = untrusted.Gid,
        Modified = FileTimes.FromUnixNs(untrusted.ModifiedUnixNs),
        Inode = untrusted.Inode,
        Device = untrusted.Device,
        LinkTarget = untrusted.LinkTarget.IsEmpty ? (GuestPath?)null : new GuestPath(untrusted.LinkTarget.Span),
    };
}

/// <summary>An entry of a folder, as a guest lists it.</summary>
/// <param name="RawName">Its name: raw bytes, which need not be UTF-8 and hold neither / nor zero.</param>
/// <param name="Kind">Its kind.</param>
public sealed record FileEntry(ReadOnlyMemory<byte> RawName, FileKind Kind)
{
    /// <summary>Its name for a person: escaped, bytes that are not UTF-8 as U+FFFD.</summary>
    public string Name => GuestPath.Printable(RawName.Span);
}

/// <summary>What a file is.</summary>
public enum FileKind
{
    /// <summary>None of the others.</summary>
    Other,
    /// <summary>A regular file.</summary>
    Regular,
    /// <summary>A folder.</summary>
    Folder,
    /// <summary>A symbolic link.</summary>
    Link,
    /// <summary>A device.</summary>
    Device,
    /// <summary>A named pipe.</summary>
    Pipe,
    /// <summary>A socket.</summary>
    Socket,
}
