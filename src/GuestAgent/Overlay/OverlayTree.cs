using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Overlay;

/// <summary>
/// The installed file system, seen so that no name and no link in it leads out of it: the kernel takes its root for "/"
/// (openat2(2), RESOLVE_IN_ROOT).
/// </summary>
internal sealed class OverlayTree : IDisposable
{
    private const ulong ResolveNoMagicLinks = 0x02;
    private const ulong ResolveInRoot = 0x10;
    private readonly SafeFileHandle _root;

    /// <summary>Opens the tree.</summary>
    /// <param name="folder">Where it is mounted.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public unsafe OverlayTree(string folder)
    {
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes(folder + "\0"))
        {
            int fd = FileCalls.OpenAt(FileCalls.CurrentFolder, path, FileCalls.ReadOnly | FileCalls.Folder | FileCalls.CloseOnExec, 0);
            _root = fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("open", folder);
        }
    }

    /// <summary>Bytes that may still be written, and files that may still be made; file systems without a bound of those say none.</summary>
    public unsafe (long Bytes, long Files) Free()
    {
        FileCalls.StatVfs facts;
        if (FileCalls.FStatVfs(_root, &facts) != 0)
        {
            throw FileFailure.OfLast("look at", "the installed system");
        }
        long bytes = (long)Math.Min(facts.AvailableFragments, long.MaxValue / facts.FragmentSize) * (long)facts.FragmentSize;
        return (bytes, facts.Files == 0 ? long.MaxValue : (long)Math.Min(facts.AvailableFiles, long.MaxValue));
    }

    /// <summary>A file without a name in the tree, gone when it is closed.</summary>
    public unsafe FileStream OpenUnnamed()
    {
        fixed (byte* path = ".\0"u8)
        {
            int fd = FileCalls.OpenAt(_root, path, FileCalls.Unnamed | FileCalls.ReadWrite | FileCalls.CloseOnExec, 0x180);
            return fd >= 0
                ? new FileStream(new SafeFileHandle(fd, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0)
                : throw FileFailure.OfLast("keep the archive in", "the installed system");
        }
    }

    /// <summary>What there is under a name; null if nothing. A link at its end is told of, not followed.</summary>
    /// <exception cref="ChannelException">A part of it is no folder.</exception>
    public FileKind? KindOf(ReadOnlySpan<byte> name) => Kind(name, FileCalls.NoFollow);

    /// <summary>Whether a name leads to a folder, by links too.</summary>
    public bool IsFolder(ReadOnlySpan<byte> name) => Kind(name, 0) == FileKind.Folder;

    /// <summary>Opens a folder, by links too.</summary>
    /// <exception cref="ChannelException">What the system said.</exception>
    public SafeFileHandle OpenFolder(ReadOnlySpan<byte> name)
    {
        int fd = Open(name, FileCalls.ReadOnly | FileCalls.Folder);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw FileFailure.OfLast("open", ArchiveFailure.Show(name));
    }

    /// <summary>Brings everything to the disk.</summary>
    public void Sync()
    {
        if (FileCalls.SyncFs(_root) != 0)
        {
            throw FileFailure.OfLast("bring to the disk", "the installed system");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _root.Dispose();

    private FileKind? Kind(ReadOnlySpan<byte> name, int flags)
    {
        int fd = Open(name, FileCalls.PathOnly | flags);
        if (fd < 0)
        {
            return FileFailure.Last == FileFailure.Enoent ? null : throw FileFailure.OfLast("look at", ArchiveFailure.Show(name));
        }
        using var file = new SafeFileHandle(fd, ownsHandle: true);
        return FileFacts.KindOf(FileFacts.Raw(file, "an entry").Mode);
    }

    private unsafe int Open(ReadOnlySpan<byte> name, int flags)
    {
        byte[] path = name.IsEmpty ? [(byte)'.', 0] : [.. name, 0];
        var how = new FileCalls.OpenHow { Flags = (ulong)(flags | FileCalls.CloseOnExec), Resolve = ResolveNoMagicLinks | ResolveInRoot };
        using var hold = new HandleHold(_root);
        fixed (byte* bytes = path)
        {
            return FileCalls.OpenAt2((int)_root.DangerousGetHandle(), bytes, &how);
        }
    }
}
