using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>
/// Opens paths without following a symbolic link anywhere in them, so that what is opened lies where the policy was asked
/// about, whatever somebody in the guest does with links meanwhile.
/// </summary>
internal static class PathOpener
{
    // openat2(2), Linux 5.6.
    private const ulong ResolveNoMagicLinks = 0x02;
    private const ulong ResolveNoSymlinks = 0x04;

    // Nobody else's until whoever makes a file has decided.
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
            var how = new FileCalls.OpenHow { Flags = FileCalls.PathOnly | FileCalls.CloseOnExec, Resolve = ResolveNoMagicLinks };
            int fd = FileCalls.OpenAt2(FileCalls.CurrentFolder, bytes, &how);
            return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        }
    }

    /// <summary>Opens the folder that a file is in.</summary>
    public static SafeFileHandle OpenParent(RawPath path) =>
        Open(path.Parent, FileCalls.ReadOnly | FileCalls.Folder, $"the folder of {path.Shown}");

    private static unsafe SafeFileHandle Open(ReadOnlySpan<byte> path, int flags, string shown)
    {
        flags |= FileCalls.CloseOnExec | FileCalls.NoFollow;
        fixed (byte* bytes = path)
        {
            if (!WithoutOpenAt2)
            {
                var how = new FileCalls.OpenHow { Flags = (ulong)flags, Mode = ModeOf(flags), Resolve = ResolveNoMagicLinks | ResolveNoSymlinks };
                int fd = FileCalls.OpenAt2(FileCalls.CurrentFolder, bytes, &how);
                if (fd >= 0)
                {
                    return new SafeFileHandle(fd, ownsHandle: true);
                }
                int errno = FileFailure.Last;
                // A system call filter that does not know the call says EPERM; an EPERM of the file's comes again below.
                // ENOTDIR may be a link where a folder should be; the walk below can tell.
                if (errno is not (FileFailure.Enosys or FileFailure.Eperm or FileFailure.Enotdir))
                {
                    throw FileFailure.Of(errno, "open", shown);
                }
                WithoutOpenAt2 |= errno == FileFailure.Enosys;
            }
            return OpenByParts(path, flags, shown);
        }
    }

    // openat2 refuses a mode where nothing can be made.
    private static ulong ModeOf(int flags) => (flags & FileCalls.Create) != 0 ? NewFileMode : 0ul;

    private static SafeFileHandle OpenByParts(ReadOnlySpan<byte> path, int flags, string shown)
    {
        SafeFileHandle at = OpenPart(null, "/\0"u8, FileCalls.PathOnly | FileCalls.Folder, shown);
        int start = 1;
        while (true)
        {
            int slash = path[start..].IndexOf((byte)'/');
            ReadOnlySpan<byte> part = slash < 0 ? path[start..] : [.. path.Slice(start, slash), 0];
            if (part.Length == 1)
            {
                part = ".\0"u8;
            }
            using SafeFileHandle folder = at;
            if (slash < 0)
            {
                return OpenPart(folder, part, flags, shown);
            }
            at = OpenPart(folder, part, FileCalls.PathOnly | FileCalls.Folder, shown);
            start += slash + 1;
        }
    }

    private static unsafe SafeFileHandle OpenPart(SafeFileHandle? folder, ReadOnlySpan<byte> name, int flags, string shown)
    {
        flags |= FileCalls.CloseOnExec | FileCalls.NoFollow;
        fixed (byte* bytes = name)
        {
            int fd = folder is null ? FileCalls.OpenAt(FileCalls.CurrentFolder, bytes, flags, 0) : FileCalls.OpenAt(folder, bytes, flags, (uint)ModeOf(flags));
            if (fd >= 0)
            {
                return new SafeFileHandle(fd, ownsHandle: true);
            }
            int errno = FileFailure.Last;
            // O_DIRECTORY goes before O_NOFOLLOW: a link in the middle of the path says ENOTDIR.
            throw folder is not null && FileFacts.IsLink(folder, name)
                ? FileFailure.Of(FileFailure.Eloop, "open", shown)
                : FileFailure.Of(errno, "open", shown);
        }
    }
}
