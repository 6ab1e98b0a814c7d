using System.Runtime.InteropServices;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// The system calls by which a process gives up rights. Each returns what the C function returns; after -1 the errno is in
/// <see cref="Linux.Native.Errno.Last"/>.
/// </summary>
internal static unsafe partial class ConfinementCalls
{
    // The same number on all architectures.
    public const int CloseRange = 436;
    public const int LandlockCreateRuleset = 444;
    public const int LandlockRestrictSelf = 446;

    // Variadic in C; x86-64 and arm64 pass integers to such a function as to any other.
    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int Prctl(int option, nint second, nint third, nint fourth, nint fifth);

    [LibraryImport("libc", EntryPoint = "capset", SetLastError = true)]
    public static partial int CapSet(CapabilityHeader* header, CapabilitySet* sets);

    [LibraryImport("libc", EntryPoint = "capget", SetLastError = true)]
    public static partial int CapGet(CapabilityHeader* header, CapabilitySet* sets);

    // The C library makes the next three for all threads (nptl(7)).
    [LibraryImport("libc", EntryPoint = "setgroups", SetLastError = true)]
    public static partial int SetGroups(nuint count, uint* groups);

    [LibraryImport("libc", EntryPoint = "setresgid", SetLastError = true)]
    public static partial int SetResGid(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "setresuid", SetLastError = true)]
    public static partial int SetResUid(uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "setrlimit", SetLastError = true)]
    public static partial int SetRLimit(int resource, ResourceLimit* limit);

    [LibraryImport("libc", EntryPoint = "pivot_root", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int PivotRoot(string root, string old);

    [LibraryImport("libc", EntryPoint = "chroot", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChRoot(string root);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChDir(string folder);
}

/// <summary>struct __user_cap_header_struct.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CapabilityHeader
{
    /// <summary>_LINUX_CAPABILITY_VERSION_3: two sets of 32 bits.</summary>
    public const uint Version3 = 0x20080522;

    public uint Version;

    /// <summary>0 for the calling thread.</summary>
    public int Thread;
}

/// <summary>struct __user_cap_data_struct.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CapabilitySet
{
    public uint Effective;
    public uint Permitted;
    public uint Inheritable;
}

/// <summary>struct rlimit on 64-bit.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceLimit
{
    public ulong Soft;
    public ulong Hard;
}
