using System.Runtime.InteropServices;
using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// The file system calls of the file service. Names are raw bytes with a terminating zero. After -1 the errno is in
/// <see cref="Marshal.GetLastPInvokeError"/>.
/// </summary>
internal static unsafe partial class FileCalls
{
    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NonBlocking = 0x800;
    public const int Folder = 0x10000;
    public const int NoFollow = 0x20000;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;
    /// <summary>O_TMPFILE, which has the bit of <see cref="Folder"/> in it.</summary>
    public const int Unnamed = 0x400000 | Folder;
    public const int AtEmptyPath = 0x1000;
    public const int AtNoFollow = 0x100;
    public const int CurrentFolder = -100;
    public const int SeekData = 3;
    public const int SeekHole = 4;
    public const int LockExclusive = 2;
    public const int LockNonBlocking = 4;
    public const int Unlock = 8;
    public const int RenameNoReplace = 1;
    public const uint BasicStats = 0x7ff;
    /// <summary>tv_nsec that leaves a time as it is.</summary>
    public const long OmitTime = (1L << 30) - 2;
    // x86-64 system call numbers.
    private const long SysGetDents64 = 217;
    private const long SysRenameAt2 = 316;
    private const long SysOpenAt2 = 437;

    [StructLayout(LayoutKind.Sequential)]
    public struct OpenHow
    {
        public ulong Flags;
        public ulong Mode;
        public ulong Resolve;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>struct statx, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Statx
    {
        [FieldOffset(16)]
        public uint Links;
        [FieldOffset(20)]
        public uint Uid;
        [FieldOffset(24)]
        public uint Gid;
        [FieldOffset(28)]
        public ushort Mode;
        [FieldOffset(32)]
        public ulong Inode;
        [FieldOffset(40)]
        public ulong Size;
        [FieldOffset(48)]
        public ulong Blocks512;
        [FieldOffset(112)]
        public long ModifiedSeconds;
        [FieldOffset(120)]
        public uint ModifiedNanoseconds;
        [FieldOffset(136)]
        public uint DeviceMajor;
        [FieldOffset(140)]
        public uint DeviceMinor;
    }

    /// <summary>struct statvfs on x86-64, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 112)]
    public struct StatVfs
    {
        [FieldOffset(8)]
        public ulong FragmentSize;
        [FieldOffset(16)]
        public ulong Fragments;
        [FieldOffset(24)]
        public ulong FreeFragments;
        [FieldOffset(32)]
        public ulong AvailableFragments;
        [FieldOffset(40)]
        public ulong Files;
        [FieldOffset(56)]
        public ulong AvailableFiles;
    }

    public static int OpenAt2(int folder, byte* path, OpenHow* how) =>
        (int)SysCall(SysOpenAt2, folder, (nint)path, (nint)how, sizeof(OpenHow), 0);

    public static int GetDents64(SafeFileHandle folder, byte* buffer, int length)
    {
        using var hold = new HandleHold(folder);
        return (int)SysCall(SysGetDents64, folder.DangerousGetHandle(), (nint)buffer, length, 0, 0);
    }

    /// <summary>renameat2(2) by its number: musl has no function of that name.</summary>
    public static int RenameAt2(SafeFileHandle folder, byte* from, byte* to, int flags)
    {
        using var hold = new HandleHold(folder);
        nint fd = folder.DangerousGetHandle();
        return (int)SysCall(SysRenameAt2, fd, (nint)from, fd, (nint)to, flags);
    }

    // Variadic in C; on x86-64 a call with integers only is the same as one that is not.
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SysCall(long number, nint a, nint b, nint c, nint d, nint e);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(int folder, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    public static partial int OpenAt(SafeFileHandle folder, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    public static partial int StatxAt(SafeFileHandle folder, byte* path, int flags, uint mask, Statx* result);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    public static partial nint ReadLinkAt(SafeFileHandle folder, byte* path, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true)]
    public static partial int StatVfsAt(byte* path, StatVfs* result);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true)]
    public static partial nint ReadLink(byte* path, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "fstatvfs", SetLastError = true)]
    public static partial int FStatVfs(SafeFileHandle file, StatVfs* result);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial nint PRead(SafeFileHandle file, byte* buffer, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static partial nint PWrite(SafeFileHandle file, byte* buffer, nuint length, long offset);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long LSeek(SafeFileHandle file, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    public static partial int FTruncate(SafeFileHandle file, long length);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int FSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int FLock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int FChMod(SafeFileHandle file, uint mode);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    public static partial int FChOwn(SafeFileHandle file, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    public static partial int FUTimeNs(SafeFileHandle file, TimeSpec* accessedAndModified);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    public static partial int MkDirAt(SafeFileHandle folder, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    public static partial int UnlinkAt(SafeFileHandle folder, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    public static partial int SymLinkAt(byte* target, SafeFileHandle folder, byte* path);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    public static partial int LinkAt(SafeFileHandle folder, byte* path, SafeFileHandle newFolder, byte* newPath, int flags);

    [LibraryImport("libc", EntryPoint = "fchownat", SetLastError = true)]
    public static partial int FChOwnAt(SafeFileHandle folder, byte* path, uint uid, uint gid, int flags);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    public static partial int UTimeNsAt(SafeFileHandle folder, byte* path, TimeSpec* accessedAndModified, int flags);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    public static partial int SyncFs(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint GetEffectiveUser();
}
