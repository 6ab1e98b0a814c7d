using ChannelSdk.Transports.Native;
using Microsoft.Win32.SafeHandles;
using Native = ChannelSdk.Transports.Native;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// Knows a process by a variable of its environment, which all that it starts inherits. What is read of an environment may be a
/// secret: it goes through memory of the caller's, which may wipe it.
/// </summary>
internal static class ProcessMark
{
    /// <summary>Least bytes of memory to read environments through.</summary>
    public const int Memory = 16 << 10;

    // The kernel gives arguments and environment six megabytes (execve(2)); a process may say that it has more.
    private const int MaxEnvironment = 8 << 20;

    /// <summary>Whether a process has the variable; null if it has no environment at all, or it cannot be read.</summary>
    /// <param name="folder">Its folder in /proc.</param>
    /// <param name="variable">NAME=value, all of it.</param>
    /// <param name="memory">At least <see cref="Memory"/> bytes, and more than the variable has.</param>
    public static unsafe bool? IsOn(string folder, ReadOnlySpan<byte> variable, Span<byte> memory)
    {
        using var file = new SafeFd(Native.Libc.Open($"{folder}/environ", Native.Linux.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            return null;
        }
        // A zero before the first variable, so that each has one on both sides.
        memory[0] = 0;
        int kept = 1;
        for (int seen = 0; seen < MaxEnvironment;)
        {
            nint count;
            fixed (byte* start = memory)
            {
                count = Native.Libc.Read(file, start + kept, (nuint)(memory.Length - kept));
            }
            if (count < 0 && Errno.Last == Errno.EINTR)
            {
                continue;
            }
            if (count <= 0 && seen == 0)
            {
                return null;
            }
            if (count <= 0)
            {
                // The last one has no zero behind it where a process has written over it.
                return kept == variable.Length + 1 && memory[0] == 0 && memory[1..kept].SequenceEqual(variable);
            }
            seen += (int)count;
            ReadOnlySpan<byte> piece = memory[..(kept + (int)count)];
            if (Contains(piece, variable))
            {
                return true;
            }
            // The variable may lie across two pieces.
            kept = Math.Min(variable.Length + 1, piece.Length);
            piece[^kept..].CopyTo(memory);
        }
        return false;
    }

    /// <summary>Kills a process if it is one that is meant, and no other that has its number by now (pidfd_open(2)).</summary>
    /// <param name="pid">Its number.</param>
    /// <param name="isIt">Whether the process that has the number is meant; asked once it can be held.</param>
    /// <returns>Whether one was killed.</returns>
    public static bool Kill(int pid, Func<bool> isIt)
    {
        using SafeFileHandle? held = ProcessCalls.PidFd(pid);
        if (held is null && Errno.Last != Errno.ENOSYS)
        {
            return false;
        }
        // Read after it was opened: if this process had another's number, the signal finds the one that was held, which has ended.
        return isIt() && (held is null ? Libc.Kill(pid, Libc.SigKill) : ProcessCalls.Signal(held, Libc.SigKill)) == 0;
    }

    private static bool Contains(ReadOnlySpan<byte> piece, ReadOnlySpan<byte> variable)
    {
        for (int from = 0, at; (at = piece[from..].IndexOf(variable)) >= 0; from += at + 1)
        {
            int start = from + at, end = start + variable.Length;
            if (start > 0 && piece[start - 1] == 0 && end < piece.Length && piece[end] == 0)
            {
                return true;
            }
        }
        return false;
    }
}
