using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>
/// Opens paths without following a symbolic link anywhere in them, so that the opened file lies where the policy was asked
/// about, even if a program in the guest changes links meanwhile.
/// </summary>
internal static class PathOpener
{
    // Private to the owner until the caller sets the mode.
    private const ulong NewFileMode = 0x180;

    /// <summary>Set once openat2 turned out to be missing or filtered away; tests set it to walk the other way.</summary>
    internal static bool WithoutOpenAt2 { get; set; }

    /// <summary>Opens a file.</summary>
    /// <param name="path">The whole path.</param>
    /// <param name="flags">O_ flags; close-on-exec and not-following are added.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public static SafeFileHandle Open(RawPath path, int flags) => Open(path.Bytes, flags, path.Shown);

    /// <summary>Finds a file with links followed, to see where it lies: nothing of it is opened. Null if it is not there or cannot be told.</summary>
    /// <param name="path">With a terminating zero.</param>
    public static unsafe SafeFileHandle? Follow(ReadOnlySpan<byte> path)
    {
        if (WithoutOpenAt2)
        {
            return null;
        }

        fixed (byte* bytes = path)
        {
            var how = new OpenHow { Flags = Abi.O_PATH | Abi.O_CLOEXEC, Resolve = Abi.RESOLVE_NO_MAGICLINKS };
            var fd = FileCalls.OpenAt2(Abi.AT_FDCWD, bytes, &how);
            return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        }
    }

    /// <summary>Opens the folder that a file is in.</summary>
    public static SafeFileHandle OpenParent(RawPath path) =>
        Open(path.Parent, Abi.O_RDONLY | Abi.O_DIRECTORY, $"the folder of {path.Shown}");

    /// <summary>Opens an entry of an open folder.</summary>
    /// <param name="folder">The folder; null: the name is the root folder's.</param>
    /// <param name="name">One name, with a terminating zero.</param>
    /// <param name="flags">As of <see cref="Open(RawPath, int)"/>.</param>
    /// <param name="shown">What messages call it.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public static unsafe SafeFileHandle OpenEntry(SafeFileHandle? folder, ReadOnlySpan<byte> name, int flags, string shown)
    {
        flags |= Abi.O_CLOEXEC | Abi.O_NOFOLLOW;
        fixed (byte* bytes = name)
        {
            var fd = folder is null ? FileCalls.OpenAt(Abi.AT_FDCWD, bytes, flags, 0) : FileCalls.OpenAt(folder, bytes, flags, (uint)ModeOf(flags));
            if (fd >= 0)
            {
                return new SafeFileHandle(fd, ownsHandle: true);
            }

            var errno = Errno.Last;
            // O_DIRECTORY goes before O_NOFOLLOW: a link in the middle of the path says ENOTDIR.
            throw folder is not null && FileFacts.IsLink(folder, name)
                ? FileFailure.Of(Errno.ELOOP, "open", shown)
                : FileFailure.Of(errno, "open", shown);
        }
    }

    private static unsafe SafeFileHandle Open(ReadOnlySpan<byte> path, int flags, string shown)
    {
        flags |= Abi.O_CLOEXEC | Abi.O_NOFOLLOW;
        fixed (byte* bytes = path)
        {
            if (!WithoutOpenAt2)
            {
                var how = new OpenHow { Flags = (ulong)flags, Mode = ModeOf(flags), Resolve = Abi.RESOLVE_NO_MAGICLINKS | Abi.RESOLVE_NO_SYMLINKS };
                var fd = FileCalls.OpenAt2(Abi.AT_FDCWD, bytes, &how);
                if (fd >= 0)
                {
                    return new SafeFileHandle(fd, ownsHandle: true);
                }

                var errno = Errno.Last;
                // A system call filter that does not know the call says EPERM; an EPERM of the file's comes again below.
                // ENOTDIR may be a link where a folder should be; the walk below can tell.
                if (errno is not (Errno.ENOSYS or Errno.EPERM or Errno.ENOTDIR))
                {
                    throw FileFailure.Of(errno, "open", shown);
                }

                WithoutOpenAt2 |= errno == Errno.ENOSYS;
            }

            return OpenBySegments(path, flags, shown);
        }
    }

    // openat2 refuses a mode where nothing can be made.
    private static ulong ModeOf(int flags) => (flags & Abi.O_CREAT) != 0 ? NewFileMode : 0ul;

    private static SafeFileHandle OpenBySegments(ReadOnlySpan<byte> path, int flags, string shown)
    {
        var at = OpenEntry(null, "/\0"u8, Abi.O_PATH | Abi.O_DIRECTORY, shown);
        var start = 1;
        while (true)
        {
            var slash = path[start..].IndexOf((byte)'/');
            var part = slash < 0 ? path[start..] : [.. path.Slice(start, slash), 0];
            if (part.Length == 1)
            {
                part = ".\0"u8;
            }

            using var folder = at;
            if (slash < 0)
            {
                return OpenEntry(folder, part, flags, shown);
            }

            at = OpenEntry(folder, part, Abi.O_PATH | Abi.O_DIRECTORY, shown);
            start += slash + 1;
        }
    }
}
