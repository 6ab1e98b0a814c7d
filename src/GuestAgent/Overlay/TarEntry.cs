using ChannelSdk.Protocol.Links;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>What an entry of an archive makes.</summary>
internal enum TarKind : byte
{
    File,
    Folder,
    SymbolicLink,
    HardLink,
}

/// <summary>A checked entry of an archive. Names are raw bytes below the target, without empty, "." and ".." parts.</summary>
/// <param name="Kind">What it makes.</param>
/// <param name="Name">Where; empty: the target itself.</param>
/// <param name="LinkTarget">What a symbolic link says, or the name of the entry that a hard link is another name of.</param>
/// <param name="Size">Of a file, in bytes.</param>
/// <param name="Mode">0 to 07777.</param>
/// <param name="Uid">Number of the owner.</param>
/// <param name="Gid">Number of the group.</param>
/// <param name="Seconds">Time of the last change since 1970.</param>
/// <param name="Nanoseconds">Its fraction.</param>
internal sealed record TarEntry(TarKind Kind, byte[] Name, byte[] LinkTarget, long Size, uint Mode, uint Uid, uint Gid, long Seconds, uint Nanoseconds);
