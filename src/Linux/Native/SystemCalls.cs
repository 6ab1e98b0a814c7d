using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Native;

/// <summary>
/// The system calls of memory, mounts, namespaces, clocks and the machine. Each returns what the C function returns; after -1 the
/// errno is in <see cref="Errno.Last"/>.
/// </summary>
public static unsafe partial class SystemCalls
{
    // Variadic in C, as open, fcntl and ioctl are. On Linux, x86-64 and arm64 pass integers to such a function as to any other.
    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Syscall(nint number, nint first, nint second, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    public static partial nint Syscall(nint number, SafeFileHandle first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial void* Mmap(void* address, nuint length, int protection, int flags, SafeFd fd, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int Munmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "mlock", SetLastError = true)]
    public static partial int MLock(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "mlockall", SetLastError = true)]
    public static partial int MLockAll(int flags);

    [LibraryImport("libc", EntryPoint = "munlockall")]
    public static partial int MUnlockAll();

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    public static partial int MAdvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "mallopt")]
    public static partial int MallOpt(int parameter, int value);

    // NativeMemory is the C library's malloc.
    [LibraryImport("libc", EntryPoint = "malloc_usable_size")]
    public static partial nuint MallocUsableSize(void* memory);

    [LibraryImport("libc", EntryPoint = "getrandom")]
    public static partial nint GetRandom(byte* buffer, nuint length, uint flags);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Mount(string? source, string target, string? type, nuint flags, void* data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unmount(string target, int flags);

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    public static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    public static partial int SetNs(SafeFd fd, int kind);

    [LibraryImport("libc", EntryPoint = "sync")]
    public static partial void Sync();

    // The C library's reboot(3) adds the magic numbers of reboot(2).
    [LibraryImport("libc", EntryPoint = "reboot", SetLastError = true)]
    public static partial int Reboot(int command);

    [LibraryImport("libc", EntryPoint = "uname")]
    public static partial int Uname(byte* buffer);

    [LibraryImport("libc", EntryPoint = "clock_settime", SetLastError = true)]
    public static partial int ClockSetTime(int clock, TimeSpec* time);

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    public static partial int ClockGetTime(int clock, TimeSpec* time);

    [LibraryImport("libc", EntryPoint = "sethostname", SetLastError = true)]
    public static partial int SetHostName(byte* name, nuint length);

    [LibraryImport("libc", EntryPoint = "tzset")]
    public static partial void TzSet();

    // struct tm has 56 bytes on 64-bit.
    [LibraryImport("libc", EntryPoint = "localtime_r")]
    public static partial byte* LocalTime(long* seconds, byte* parts);
}
