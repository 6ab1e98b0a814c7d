using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>A process held by a descriptor, so that no later one with its number is taken for it (pidfd_open(2)).</summary>
public static unsafe class ProcessHandle
{
    /// <summary>A descriptor that is readable once the process has ended; null if there is none, or before Linux 5.3.</summary>
    public static SafeFileHandle? Open(int pid) => ProcessCalls.PidFdOpen(pid) is >= 0 and var fd ? new SafeFileHandle(fd, ownsHandle: true) : null;

    /// <summary>Sends a signal to it: 0, or -1.</summary>
    public static int Signal(SafeFileHandle process, int signal) => ProcessCalls.PidFdSendSignal(process, signal);

    /// <summary>Whether it has ended.</summary>
    public static bool HasEnded(SafeFileHandle process)
    {
        var entry = new PollFd { Fd = (int)process.DangerousGetHandle(), Events = Abi.POLLIN };
        return DescriptorCalls.Poll(&entry, 1, 0) == 1;
    }
}
