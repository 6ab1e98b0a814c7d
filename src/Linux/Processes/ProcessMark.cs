using System.Runtime.InteropServices;
using System.Security.Cryptography;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Knows a process by a variable of its environment, which all that it starts inherits. What is read of an environment may be a
/// secret, and is wiped.
/// </summary>
public static class ProcessMark
{
    // The kernel gives arguments and environment six megabytes (execve(2)); a process may say that it has more.
    private const int MaxEnvironment = 8 << 20;
    private const int MaxLooks = 8;

    /// <summary>Looks whether a process has one of some variables.</summary>
    /// <param name="folder">Its folder in /proc.</param>
    /// <param name="marks">NAME=value each, all of it.</param>
    public static MarkSighting Look(string folder, IReadOnlyList<byte[]> marks)
    {
        // Without an environment that can be read it may be between two programs: then another look tells. One that goes from program to
        // program may be between them at each look.
        for (var look = 0; look < MaxLooks; look++)
        {
            if (Read(folder, marks) is { } sighting)
            {
                return sighting;
            }

            if (!HasProgram(folder) || HasEmptyEnvironment(folder))
            {
                return MarkSighting.Absent;
            }
        }

        return MarkSighting.Unclear;
    }

    /// <summary>Kills a process if it has the mark, and no other that has its number by now (pidfd_open(2)).</summary>
    /// <param name="pid">Its number.</param>
    /// <param name="isIt">Whether the process that has the number is meant; asked once it can be held.</param>
    /// <returns>Whether one was killed.</returns>
    public static bool Kill(int pid, Func<bool> isIt)
    {
        using var held = ProcessHandle.Open(pid);
        if (held is null && Errno.Last != Errno.ENOSYS)
        {
            return false;
        }
        // Read after it was opened: if this process had another's number, the signal finds the one that was held, which has ended.
        return isIt() && (held is null ? ProcessCalls.Kill(pid, Abi.SIGKILL) : ProcessHandle.Signal(held, Abi.SIGKILL)) == 0;
    }

    /// <summary>What its environment tells; null if it has none, or it cannot be read.</summary>
    private static unsafe MarkSighting? Read(string folder, IReadOnlyList<byte[]> marks)
    {
        using var file = new SafeFd(FileCalls.Open($"{folder}/environ", Abi.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            return null;
        }
        // All of it by one call, for which the kernel keeps the environment (Linux, fs/proc/base.c): a process that goes from program to program all the
        // time would have another one before the end of this. Memory that is not written takes no room.
        var memory = (byte*)NativeMemory.Alloc(MaxEnvironment + 2);
        nint count = 0;
        try
        {
            count = DescriptorCalls.Read(file, memory + 1, MaxEnvironment);
            if (count <= 0)
            {
                return null;
            }
            // A zero on both sides of each variable: the first has none before it, and the last none behind it where a process has written over it.
            memory[0] = memory[count + 1] = 0;
            return ContainsAny(new ReadOnlySpan<byte>(memory, (int)count + 2), marks) ? MarkSighting.Present : MarkSighting.Absent;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(new Span<byte>(memory, (int)Math.Max(0, count) + 1));
            NativeMemory.Free(memory);
        }
    }

    /// <summary>Whether a process has a program's file: kernel threads and zombies have none. File.Exists is true for a link to nothing.</summary>
    private static bool HasProgram(string folder) => FileCalls.Access($"{folder}/exe", Abi.X_OK) == 0;

    /// <summary>
    /// Whether a process has an environment without a variable. In the middle of execve(2) its end is where it begins as well, but the
    /// program's code has no beginning yet, which the kernel sets behind it (Linux, fs/binfmt_elf.c, load_elf_binary).
    /// </summary>
    private static bool HasEmptyEnvironment(string folder)
    {
        const int code = 23, begin = 47, end = 48;
        return ProcessStat.Fields(folder) is { Length: > end } fields && fields[begin] == fields[end] && fields[code] != "0";
    }

    private static bool ContainsAny(ReadOnlySpan<byte> environment, IReadOnlyList<byte[]> marks)
    {
        foreach (var mark in marks)
        {
            byte[] between = [0, .. mark, 0];
            if (environment.IndexOf(between) >= 0)
            {
                return true;
            }
        }

        return false;
    }
}
