using System.Runtime.InteropServices;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Testing;

/// <summary>System calls that only the doubles of a virtio port need.</summary>
public static unsafe partial class TestLibc
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
    public static (SafeFd Device, SafeFd Host) SocketPair()
    {
        var fds = stackalloc int[2];
        Assert.Equal(0, socketpair(
            Abi.AF_UNIX, Abi.SOCK_STREAM | Abi.SOCK_NONBLOCK | Abi.SOCK_CLOEXEC, 0, fds));
        return (new SafeFd(fds[0]), new SafeFd(fds[1]));
    }

    /// <summary>Puts another open file under the number of a descriptor.</summary>
    public static void Replace(SafeFd target, SafeFd source)
    {
        var number = (int)target.DangerousGetHandle();
        Assert.Equal(number, dup3((int)source.DangerousGetHandle(), number, Abi.SOCK_CLOEXEC));
    }

    /// <summary>A pseudo terminal in raw mode: its controlling end, and the path of its device.</summary>
    public static (SafeFd Host, string DevicePath) RawTerminal()
    {
        var fd = posix_openpt(O_RDWR_NOCTTY_CLOEXEC);
        Assert.True(fd >= 0);
        Assert.Equal(0, unlockpt(fd));
        var name = stackalloc byte[64];
        Assert.Equal(0, ptsname_r(fd, name, 64));
        var settings = stackalloc byte[128];
        Assert.Equal(0, tcgetattr(fd, settings));
        cfmakeraw(settings);
        Assert.Equal(0, tcsetattr(fd, 0, settings));
        return (new SafeFd(fd), Marshal.PtrToStringUTF8((nint)name)!);
    }

    public static int Read(SafeFd fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)DescriptorCalls.Read(fd, start, (nuint)buffer.Length);
        }
    }

    public static int Write(SafeFd fd, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)DescriptorCalls.Write(fd, start, (nuint)buffer.Length);
        }
    }
}
