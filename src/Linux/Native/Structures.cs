using System.Runtime.InteropServices;

namespace ChannelSdk.Linux.Native;

/// <summary>struct pollfd.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PollFd
{
    public int Fd;
    public short Events;
    public short Result;
}

/// <summary>struct ucred, what SO_PEERCRED gives.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct PeerCredentials
{
    public int ProcessId;
    public uint UserId;
    public uint GroupId;
}

/// <summary>struct statx, as far as it is used. It is the same on all architectures, which struct stat is not.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
public struct StatxResult
{
    [FieldOffset(8)]
    public ulong Attributes;

    [FieldOffset(16)]
    public uint Links;

    [FieldOffset(20)]
    public uint UserId;

    [FieldOffset(24)]
    public uint GroupId;

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

    /// <summary>Whether something is mounted there; false before Linux 5.8, which does not tell.</summary>
    public readonly bool IsMountRoot => (Attributes & Abi.STATX_ATTR_MOUNT_ROOT) != 0;
}

/// <summary>struct stat, as far as it is the same on x86-64 and arm64.</summary>
[StructLayout(LayoutKind.Explicit, Size = 144)]
public struct FileStatus
{
    [FieldOffset(48)]
    public long Size;
}

/// <summary>struct statvfs on 64-bit, as far as it is used.</summary>
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

/// <summary>struct open_how of openat2(2).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct OpenHow
{
    public ulong Flags;
    public ulong Mode;
    public ulong Resolve;
}

/// <summary>struct timespec on 64-bit.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct TimeSpec
{
    public long Seconds;
    public long Nanoseconds;
}

/// <summary>struct iovec.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct IoVector
{
    public void* Start;
    public nuint Length;
}

/// <summary>struct msghdr on 64-bit.</summary>
[StructLayout(LayoutKind.Sequential)]
public unsafe struct MessageHeader
{
    public void* Name;
    public uint NameLength;
    public IoVector* Vectors;
    public nint VectorCount;
    public void* Control;
    public nint ControlLength;
    public int Flags;
}

/// <summary>struct cmsghdr on 64-bit; the data follows it.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct ControlHeader
{
    public nint Length;
    public int Level;
    public int Type;
}

/// <summary>struct iocb: an asynchronous request, little-endian. Zero for the operation is IOCB_CMD_PREAD.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
public struct AioRequest
{
    /// <summary>IOCB_FLAG_RESFD.</summary>
    public const uint SignalsEvent = 1;

    /// <summary>Bytes of struct io_event.</summary>
    public const int EventSize = 32;

    /// <summary>A flag of the operation (RWF_*) that there is not.</summary>
    public const uint NoSuchFlag = 0x80000000;

    [FieldOffset(12)]
    public uint OperationFlags;

    [FieldOffset(20)]
    public uint File;

    [FieldOffset(24)]
    public ulong Buffer;

    [FieldOffset(56)]
    public uint Flags;

    [FieldOffset(60)]
    public uint Event;
}
