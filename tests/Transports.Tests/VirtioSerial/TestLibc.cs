using System.Runtime.InteropServices;
using ChannelSdk.Transports.Native;
using Xunit;

namespace ChannelSdk.Transports.Tests.VirtioSerial;

/// <summary>System calls that only the doubles of a virtio port need.</summary>
internal static unsafe partial class TestLibc
{
    private const int O_RDWR_NOCTTY_CLOEXEC = 2 | 0x100 | 0x80000;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int family, int type, int protocol, int* fds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup3(int oldFd, int newFd, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int posix_openpt(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unlockpt(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ptsname_r(int fd, byte* name, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int tcgetattr(int fd, byte* settings);

    [LibraryImport("libc", SetLastError = true)]
    private static partial void cfmakeraw(byte* settings);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int tcsetattr(int fd, int when, byte* settings);

    /// <summary>Two connected, non-blocking sockets.</summary>
    internal static (SafeFd Device, SafeFd Host) SocketPair()
    {
        int* fds = stackalloc int[2];
        Assert.Equal(0, socketpair(
            Linux.AF_UNIX, Linux.SOCK_STREAM | Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC, 0, fds));
        return (new SafeFd(fds[0]), new SafeFd(fds[1]));
    }

    /// <summary>Puts another open file under the number of a descriptor.</summary>
    internal static void Replace(SafeFd target, SafeFd source)
    {
        int number = (int)target.DangerousGetHandle();
        Assert.Equal(number, dup3((int)source.DangerousGetHandle(), number, Linux.SOCK_CLOEXEC));
    }

    /// <summary>A pseudo terminal in raw mode: its controlling end, and the path of its device.</summary>
    internal static (SafeFd Host, string DevicePath) RawTerminal()
    {
        int fd = posix_openpt(O_RDWR_NOCTTY_CLOEXEC);
        Assert.True(fd >= 0);
        Assert.Equal(0, unlockpt(fd));
        byte* name = stackalloc byte[64];
        Assert.Equal(0, ptsname_r(fd, name, 64));
        byte* settings = stackalloc byte[128];
        Assert.Equal(0, tcgetattr(fd, settings));
        cfmakeraw(settings);
        Assert.Equal(0, tcsetattr(fd, 0, settings));
        return (new SafeFd(fd), Marshal.PtrToStringUTF8((nint)name)!);
    }

    internal static int Read(SafeFd fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)Libc.Read(fd, start, (nuint)buffer.Length);
        }
    }

    internal static int Write(SafeFd fd, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)Libc.Write(fd, start, (nuint)buffer.Length);
        }
    }
}
