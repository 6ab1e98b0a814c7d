using System.Runtime.InteropServices;
using System.Text;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>
/// Starts a program by posix_spawn(3) with a fixed environment, nothing of the agent's signal settings and an empty
/// standard input. The agent's descriptors are all close-on-exec.
/// </summary>
internal static class ChildProcess
{
    // Larger than glibc's and musl's posix_spawnattr_t (336), posix_spawn_file_actions_t (80) and sigset_t (128).
    private const int OpaqueBytes = 512;
    private const short SetProcessGroup = 0x02;
    private const short SetSigDefault = 0x04;
    private const short SetSigMask = 0x08;
    private const string SearchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Runs a program to its end on a thread of its own.</summary>
    /// <returns>
    /// The exit code; 128 + the signal's number for a killed program; 126 if it could not be started; 0 if somebody else
    /// took the exit code away.
    /// </returns>
    public static Task<int> RunAsync(string program, params IReadOnlyList<string> arguments)
    {
        int error = Start(program, arguments, output: -1, out int pid);
        return error != 0 ? Task.FromResult(126) : Task.Factory.StartNew(
            () => Wait(pid), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static int Wait(int pid)
    {
        const int Eintr = 4;
        int status;
        int result;
        do
        {
            result = Libc.WaitPid(pid, out status, 0);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Eintr);
        if (result < 0)
        {
            return 0;
        }
        return ExitCode(status);
    }

    /// <summary>The exit code in a status of waitpid(2): 128 + the signal's number for a killed program.</summary>
    internal static int ExitCode(int status)
    {
        int signal = status & 0x7f;
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal;
    }

    /// <summary>Starts a program.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments behind the path.</param>
    /// <param name="output">
    /// A descriptor for its output and errors, and it leads a process group of its own; -1: it shares the agent's.
    /// </param>
    /// <param name="pid">The process.</param>
    /// <returns>An errno number, 0 for success.</returns>
    internal static unsafe int Start(string program, IReadOnlyList<string> arguments, int output, out int pid)
    {
        byte* attributes = stackalloc byte[OpaqueBytes];
        byte* actions = stackalloc byte[OpaqueBytes];
        byte* signals = stackalloc byte[OpaqueBytes];
        byte** argv = stackalloc byte*[arguments.Count + 2];
        byte** envp = stackalloc byte*[2];
        var strings = new List<nint>();
        _ = Libc.SpawnAttributesInit(attributes);
        _ = Libc.SpawnActionsInit(actions);
        try
        {
            byte* path = Allocate(program, strings);
            argv[0] = path;
            for (int i = 0; i < arguments.Count; i++)
            {
                argv[i + 1] = Allocate(arguments[i], strings);
            }
            argv[arguments.Count + 1] = null;
            envp[0] = Allocate(SearchPath, strings);
            envp[1] = null;
            // The runtime ignores SIGPIPE; a program must not inherit that.
            _ = Libc.SigFillSet(signals);
            _ = Libc.SpawnAttributesSetSigDefault(attributes, signals);
            _ = Libc.SigEmptySet(signals);
            _ = Libc.SpawnAttributesSetSigMask(attributes, signals);
            // The group's number is 0 as initialized: the child's own.
            _ = Libc.SpawnAttributesSetFlags(attributes, (short)(SetSigDefault | SetSigMask | (output < 0 ? 0 : SetProcessGroup)));
            _ = Libc.SpawnActionsAddOpen(actions, 0, Allocate("/dev/null", strings), 0, 0);
            if (output >= 0)
            {
                _ = Libc.SpawnActionsAddDup(actions, output, 1);
                _ = Libc.SpawnActionsAddDup(actions, output, 2);
            }
            return Libc.PosixSpawn(out pid, path, actions, attributes, argv, envp);
        }
        finally
        {
            _ = Libc.SpawnActionsDestroy(actions);
            _ = Libc.SpawnAttributesDestroy(attributes);
            foreach (nint text in strings)
            {
                NativeMemory.Free((void*)text);
            }
        }
    }

    private static unsafe byte* Allocate(string text, List<nint> owned)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        byte* memory = (byte*)NativeMemory.Alloc((nuint)length + 1);
        owned.Add((nint)memory);
        Encoding.UTF8.GetBytes(text, new Span<byte>(memory, length));
        memory[length] = 0;
        return memory;
    }
}
