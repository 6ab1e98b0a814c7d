using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>Descriptors that have no name, and none of which outlives an exec; and what those are that came with one.</summary>
public static unsafe class Descriptor
{
    /// <summary>A pipe; null if the process has no descriptors left.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write)? Pipe()
    {
        var ends = stackalloc int[2];
        return DescriptorCalls.Pipe2(ends, Abi.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true)) : null;
    }

    /// <summary>A counter that wakes a poll; null if the process has no descriptors left.</summary>
    public static SafeFileHandle? Event() =>
        DescriptorCalls.EventFd(0, Abi.EFD_CLOEXEC | Abi.EFD_NONBLOCK) is >= 0 and var fd ? new SafeFileHandle(fd, ownsHandle: true) : null;

    /// <summary>
    /// Whether this process was started with a descriptor. What the runtime opens is marked to be closed on exec, and no inherited
    /// descriptor can be.
    /// </summary>
    public static bool IsInherited(int descriptor) =>
        DescriptorCalls.Fcntl(descriptor, Abi.F_GETFD, 0) is >= 0 and var flags && (flags & Abi.FD_CLOEXEC) == 0;

    /// <summary>Makes writes and reads return instead of waiting.</summary>
    public static void SetNonBlocking(SafeFileHandle file) => _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, Abi.O_NONBLOCK);
}
