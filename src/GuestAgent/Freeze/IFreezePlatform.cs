using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>What freezing asks of the kernel. Errors are errno numbers, 0 for none.</summary>
internal interface IFreezePlatform
{
    /// <summary>All mounts.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.Unsupported"/> if the list cannot be read or is too long.</exception>
    MountTable ReadMounts();

    /// <summary>The files that a block device's storage lies in, by way of loop devices at any depth below it.</summary>
    /// <param name="mount">The file system's mount.</param>
    IReadOnlyList<string> BackingFiles(MountEntry mount);

    /// <summary>Opens a mount point, and checks that it is that mount and not one above it.</summary>
    /// <param name="mount">The mount.</param>
    /// <param name="handle">For the calls below; -1 on failure.</param>
    int Open(MountEntry mount, out int handle);

    /// <summary>Writes out the file system and stops writers. May take as long as the storage needs.</summary>
    int Freeze(int handle);

    /// <summary>Lets writers go on.</summary>
    int Thaw(int handle);

    /// <summary>Gives unused blocks back to the storage.</summary>
    /// <param name="handle">The file system.</param>
    /// <param name="minimum">Ranges of fewer bytes are left alone.</param>
    /// <param name="trimmed">Bytes given back.</param>
    int Trim(int handle, ulong minimum, out ulong trimmed);

    /// <summary>Closes a handle.</summary>
    void Close(int handle);

    /// <summary>Keeps the agent's memory from being swapped out.</summary>
    int LockMemory();

    /// <summary>Undoes that.</summary>
    void UnlockMemory();
}
