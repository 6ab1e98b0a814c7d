using System.Runtime.InteropServices;
using ChannelSdk.Linux.Files;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// The system calls of files, by path. Names are text, or raw bytes with a terminating zero. Each returns what the C function
/// returns; after -1 the errno is in <see cref="Errno.Last"/>.
/// </summary>
public static unsafe partial class FileCalls
{
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode = 0);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int folder, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(SafeFileHandle folder, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int OpenAt(SafeFileHandle folder, string path, int flags, uint mode = 0);

    /// <summary>openat2(2), Linux 5.6, by its number: the C library has no function of that name.</summary>
    public static int OpenAt2(int folder, byte* path, OpenHow* how) =>
        (int)SystemCalls.Syscall(Abi.SYS_openat2, folder, (nint)path, (nint)how, sizeof(OpenHow), 0);

    /// <summary>getdents64(2) by its number: musl has no function of that name.</summary>
    public static int GetDents64(SafeFileHandle folder, byte* buffer, int length)
    {
        using var hold = new HandleHold(folder);
        return (int)SystemCalls.Syscall(Abi.SYS_getdents64, folder.DangerousGetHandle(), (nint)buffer, length, 0, 0);
    }

    /// <summary>The size of an open file by fstat(2), of which a filter of system calls sees that it names no path: what the C library calls in its place does; -1 if it has failed.</summary>
    public static long SizeOf(SafeFd file)
    {
        using var hold = new HandleHold(file);
        FileStatus status = default;
        return SystemCalls.Syscall(Abi.SYS_fstat, file.DangerousGetHandle(), (nint)(&status), 0, 0, 0) == 0 ? status.Size : -1;
    }

    /// <summary>renameat2(2) by its number: musl has no function of that name.</summary>
    public static int RenameAt2(SafeFileHandle folder, byte* from, byte* to, int flags)
    {
        using var hold = new HandleHold(folder);
        var fd = folder.DangerousGetHandle();
        return (int)SystemCalls.Syscall(Abi.SYS_renameat2, fd, (nint)from, fd, (nint)to, flags);
    }

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Access(string path, int mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Statx(int folder, string path, int flags, uint mask, StatxResult* result);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int Statx(SafeFileHandle folder, byte* path, int flags, uint mask, StatxResult* result);

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    public static partial int InotifyInit1(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int InotifyAddWatch(SafeFd inotify, string path, uint mask);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true)]
    public static partial int StatVfsAt(byte* path, StatVfs* result);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    public static partial nint ReadLink(byte* path, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(SafeFileHandle folder, byte* path, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "realpath")]
    public static partial byte* RealPath(byte* path, byte* found);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(SafeFileHandle folder, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    public static partial int MkDirAt(SafeFileHandle folder, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int MkFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    public static partial int SymLinkAt(byte* target, SafeFileHandle folder, byte* path);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    public static partial int LinkAt(SafeFileHandle folder, byte* path, SafeFileHandle newFolder, byte* newPath, int flags);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int FChOwnAt(SafeFileHandle folder, byte* path, uint uid, uint gid, int flags);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LChOwn(string path, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static partial int UTimeNsAt(SafeFileHandle folder, byte* path, TimeSpec* accessedAndModified, int flags);
}
