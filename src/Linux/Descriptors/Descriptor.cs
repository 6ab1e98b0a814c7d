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

    /// <summary>Two connected Unix sockets; null if the process has no descriptors left.</summary>
    /// <param name="type">SOCK_STREAM or its like.</param>
    /// <param name="closer">Closes the own end, and the open files that come through it.</param>
    public static (ForeignFd Own, SafeFileHandle Other)? SocketPair(int type, ForeignCloser closer)
    {
        var ends = stackalloc int[2];
        return SocketCalls.SocketPair(Abi.AF_UNIX, type | Abi.SOCK_CLOEXEC, 0, ends) == 0
            ? (new ForeignFd(ends[0], closer), new SafeFileHandle(ends[1], ownsHandle: true)) : null;
    }

    /// <summary>Lets a pipe hold 1 MiB in the place of 64 KiB, for what moves much: its ends wake each other less often. It stays as it is where the system allows no more.</summary>
    public static void Widen(SafeFileHandle pipe) => _ = DescriptorCalls.Fcntl(pipe, Abi.F_SETPIPE_SZ, 1 << 20);

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

    /// <summary>Writes all of it to what waits for its reader, on the caller's thread; false if that failed, as for a pipe that nobody reads any more.</summary>
    public static bool WriteAll(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (Write(file, bytes) is not { } count)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }

    /// <summary>Writes a part of it.</summary>
    /// <returns>How many bytes were taken; 0 where none are without waiting (<see cref="SetNonBlocking"/>), or the call was interrupted; null if that failed, as for a pipe that nobody reads any more.</returns>
    public static int? Write(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            var count = DescriptorCalls.Write(file, start, (nuint)bytes.Length);
            return count >= 0 ? (int)count : Errno.Last is Errno.EINTR or Errno.EAGAIN ? 0 : null;
        }
    }

    /// <summary>Makes writes and reads wait again.</summary>
    public static void SetBlocking(SafeFileHandle file) => _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, 0);

    /// <summary>Makes writes and reads return instead of waiting.</summary>
    public static void SetNonBlocking(SafeFileHandle file) => _ = DescriptorCalls.Fcntl(file, Abi.F_SETFL, Abi.O_NONBLOCK);
}
