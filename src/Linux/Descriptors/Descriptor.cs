using System.Globalization;
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

    /// <summary>The same open file by a number that is not below another; null if the process has no descriptors left.</summary>
    public static SafeFileHandle? Above(SafeFileHandle file, int least) =>
        DescriptorCalls.Fcntl(file, Abi.F_DUPFD_CLOEXEC, least) is >= 0 and var fd ? new SafeFileHandle(fd, ownsHandle: true) : null;

    /// <summary>The other end of a pipe of which this process has the writing end: what is not read of it can be counted when the writing end is closed.</summary>
    /// <returns>Null where it cannot be opened.</returns>
    public static SafeFileHandle? ReaderOf(SafeFileHandle write)
    {
        var fd = FileCalls.Open(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{write.DangerousGetHandle()}"), Abi.O_NONBLOCK | Abi.O_CLOEXEC, 0);
        return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>How many bytes are in a pipe that its readers have not taken, by either of its ends.</summary>
    public static int Unread(SafeFileHandle pipe)
    {
        int count;
        return DescriptorCalls.Ioctl(pipe, Abi.FIONREAD, &count) == 0 ? count : 0;
    }

    /// <summary>Writes all of it, on the caller's thread; false if that failed, as for a pipe that nobody reads any more.</summary>
    public static bool WriteAll(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (nint done = 0; done < bytes.Length;)
            {
                var count = DescriptorCalls.Write(file, start + done, (nuint)(bytes.Length - done));
                if (count < 0 && Errno.Last != Errno.EINTR)
                {
                    return false;
                }

                done += Math.Max(0, count);
            }
        }

        return true;
    }

    /// <summary>Makes writes and reads wait again.</summary>
    public static void SetBlocking(SafeFileHandle file) => _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, 0);

    /// <summary>Makes writes and reads return instead of waiting.</summary>
    public static void SetNonBlocking(SafeFileHandle file) => _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, Abi.O_NONBLOCK);
}
