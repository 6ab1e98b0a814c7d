using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>Runs a program of the agent's own choice with a fixed environment and an empty standard input.</summary>
internal static class ChildProcess
{
    /// <summary>Runs a program to its end on a thread of its own.</summary>
    /// <returns>
    /// The exit code; 128 + the signal's number for a killed program; 126 if it could not be started; 0 if somebody else
    /// took the exit code away.
    /// </returns>
    public static Task<int> RunAsync(string program, params IReadOnlyList<string> arguments)
    {
        int error = ProcessSpawn.Start(Request(program, arguments), out int pid);
        return error != 0 ? Task.FromResult(126) : Task.Factory.StartNew(
            () => Wait(pid), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>As <see cref="RunAsync(string, IReadOnlyList{string})"/>, with something to read.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">What it reads; more than a pipe holds (4096 bytes at least) may not reach it.</param>
    public static unsafe Task<int> RunAsync(string program, IReadOnlyList<string> arguments, ReadOnlySpan<byte> input)
    {
        if (ProcessCalls.Pipe() is not { } pipe)
        {
            return Task.FromResult(126);
        }
        using SafeFileHandle read = pipe.Read;
        using SafeFileHandle write = pipe.Write;
        ProcessCalls.SetNonBlocking(write);
        int error;
        int pid;
        fixed (byte* bytes = input)
        {
            // Before the start: the program finds it all, and its end.
            _ = ProcessCalls.Write(write, bytes, (nuint)input.Length);
            error = ProcessSpawn.Start(Request(program, arguments) with { Input = read }, out pid);
        }
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

    /// <summary>What a program of the agent's own choice is started with.</summary>
    internal static SpawnRequest Request(string program, IReadOnlyList<string> arguments)
    {
        byte[] path = Encoding.UTF8.GetBytes(program);
        return new SpawnRequest(path, [path, .. arguments.Select(Encoding.UTF8.GetBytes)], [Encoding.UTF8.GetBytes($"PATH={ProcessSpawn.SearchPath}")]);
    }

    /// <summary>The exit code in a status of waitpid(2): 128 + the signal's number for a killed program.</summary>
    internal static int ExitCode(int status)
    {
        int signal = status & 0x7f;
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal;
    }
}
