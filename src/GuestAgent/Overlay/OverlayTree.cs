using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>
/// The installed file system, seen so that no name and no link in it leads out of it: the kernel takes its root for "/"
/// (openat2(2), RESOLVE_IN_ROOT).
/// </summary>
internal sealed class OverlayTree : IDisposable
{
    private readonly SafeFileHandle _root;

    /// <summary>Opens the tree.</summary>
    /// <param name="folder">Where it is mounted.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public unsafe OverlayTree(string folder)
    {
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes(folder + "\0"))
        {
            var fd = FileCalls.OpenAt(Abi.AT_FDCWD, path, Abi.O_RDONLY | Abi.O_DIRECTORY | Abi.O_CLOEXEC, 0);
            _root = fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("open", folder);
        }
    }

    /// <summary>Bytes that may still be written, and files that may still be made; file systems without a bound of those say none.</summary>
    public unsafe (long Bytes, long Files) Free()
    {
        StatVfs facts;
        if (DescriptorCalls.FStatVfs(_root, &facts) != 0)
        {
            throw FileFailure.OfLast("look at", "the installed system");
        }

        var bytes = (long)Math.Min(facts.AvailableFragments, long.MaxValue / facts.FragmentSize) * (long)facts.FragmentSize;
        return (bytes, facts.Files == 0 ? long.MaxValue : (long)Math.Min(facts.AvailableFiles, long.MaxValue));
    }

    /// <summary>A file without a name in the tree, gone when it is closed.</summary>
    public unsafe UnnamedFile OpenUnnamed()
    {
        fixed (byte* path = ".\0"u8)
        {
            var fd = FileCalls.OpenAt(_root, path, Abi.O_TMPFILE | Abi.O_RDWR | Abi.O_CLOEXEC, 0x180);
            return fd >= 0
                ? new UnnamedFile(new SafeFileHandle(fd, ownsHandle: true))
                : throw FileFailure.OfLast("keep the archive in", "the installed system");
        }
    }

    /// <summary>The kind of entry of a name; null if there is none. A link at its end is reported, not followed.</summary>
    /// <exception cref="ChannelException">A part of it is no folder.</exception>
    public FileKind? KindOf(ReadOnlySpan<byte> name) => Kind(name, Abi.O_NOFOLLOW);

    /// <summary>Whether a name leads to a folder, by links too.</summary>
    public bool IsFolder(ReadOnlySpan<byte> name) => Kind(name, 0) == FileKind.Folder;

    /// <summary>Opens a folder, by links too.</summary>
    /// <exception cref="ChannelException">What the system said.</exception>
    public SafeFileHandle OpenFolder(ReadOnlySpan<byte> name)
    {
        var fd = Open(name, Abi.O_RDONLY | Abi.O_DIRECTORY);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("open", ArchiveFailure.Show(name));
    }

    /// <summary>Brings everything to the disk.</summary>
    public void Sync()
    {
        if (DescriptorCalls.SyncFs(_root) != 0)
        {
            throw FileFailure.OfLast("bring to the disk", "the installed system");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _root.Dispose();

    private FileKind? Kind(ReadOnlySpan<byte> name, int flags)
    {
        var fd = Open(name, Abi.O_PATH | flags);
        if (fd < 0)
        {
            return Errno.Last == Errno.ENOENT ? null : throw FileFailure.OfLast("look at", ArchiveFailure.Show(name));
        }

        using var file = new SafeFileHandle(fd, ownsHandle: true);
        return FileFacts.KindOf(FileFacts.Raw(file, "an entry").Mode);
    }

    private unsafe int Open(ReadOnlySpan<byte> name, int flags)
    {
        byte[] path = name.IsEmpty ? [(byte)'.', 0] : [.. name, 0];
        var how = new OpenHow { Flags = (ulong)(flags | Abi.O_CLOEXEC), Resolve = Abi.RESOLVE_NO_MAGICLINKS | Abi.RESOLVE_IN_ROOT };
        using var hold = new HandleHold(_root);
        fixed (byte* bytes = path)
        {
            return FileCalls.OpenAt2((int)_root.DangerousGetHandle(), bytes, &how);
        }
    }
}
