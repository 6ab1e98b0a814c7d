using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>The system calls around programs that the agent runs. After -1 the errno is in <see cref="Marshal.GetLastPInvokeError"/>.</summary>
internal static unsafe partial class ProcessCalls
{
    public const short PollIn = 0x1;
    public const short PollOut = 0x4;
    public const int NoHang = 1;
    public const int SigKill = 9;
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const long SysPidFdOpen = 434;
    private const long SysPidFdSendSignal = 424;

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Fd;
        public short Events;
        public short Result;
    }

    /// <summary>A pipe whose ends do not outlive an exec.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write)? Pipe()
    {
        int* ends = stackalloc int[2];
        return Pipe2(ends, CloseOnExec) == 0 ? (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true)) : null;
    }

    /// <summary>A counter that wakes a poll.</summary>
    public static SafeFileHandle? Event() => EventFd(0, CloseOnExec | NonBlocking) is >= 0 and var fd ? new SafeFileHandle(fd, true) : null;

    /// <summary>A descriptor that is readable once a child has ended; null before Linux 5.3.</summary>
    public static SafeFileHandle? PidFd(int pid) => SysCall(SysPidFdOpen, pid, 0) is >= 0 and var fd ? new SafeFileHandle(fd, true) : null;

    /// <summary>Sends a signal to a process that is held: 0, or -1.</summary>
    public static int Signal(SafeFileHandle pidFd, int signal) => SysCall(SysPidFdSendSignal, pidFd, signal, 0, 0);

    /// <summary>Makes writes and reads return instead of waiting.</summary>
    public static void SetNonBlocking(SafeFileHandle file)
    {
        const int setFlags = 4;
        _ = FCntl(file, setFlags, NonBlocking);
    }

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollFd* fds, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(SafeFileHandle file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(SafeFileHandle file, byte* buffer, nuint length);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int Pipe2(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint value, int flags);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FCntl(SafeFileHandle file, int command, int value);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial int SysCall(long number, nint a, nint b);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial int SysCall(long number, SafeFileHandle a, nint b, nint c, nint d);
}
