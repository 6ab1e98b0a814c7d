using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Processes;

/// <summary>Runs a program of the agent's own choice with a fixed environment and an empty standard input.</summary>
public static class ChildProcess
{
    /// <summary>Runs a program to its end on its own thread.</summary>
    /// <returns>
    /// The exit code; 128 + the signal's number for a killed program; 126 if it could not be started; 0 if other code
    /// took the exit code away.
    /// </returns>
    public static Task<int> RunAsync(string program, params IReadOnlyList<string> arguments)
    {
        var error = ProcessSpawn.Start(Request(program, arguments), out var pid);
        return error != 0 ? Task.FromResult(126) : Task.Factory.StartNew(
            () => Wait(pid), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>As <see cref="RunAsync(string, IReadOnlyList{string})"/>, with something to read.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="input">What it reads; more than a pipe holds (4096 bytes at least) may not reach it.</param>
    public static unsafe Task<int> RunAsync(string program, IReadOnlyList<string> arguments, ReadOnlySpan<byte> input)
    {
        if (Descriptor.Pipe() is not { } pipe)
        {
            return Task.FromResult(126);
        }

        using var read = pipe.Read;
        using var write = pipe.Write;
        Descriptor.SetNonBlocking(write);
        int error;
        int pid;
        fixed (byte* bytes = input)
        {
            // Before the start: the program finds it all, and its end.
            _ = DescriptorCalls.Write(write, bytes, (nuint)input.Length);
            error = ProcessSpawn.Start(Request(program, arguments) with { Input = read }, out pid);
        }

        return error != 0 ? Task.FromResult(126) : Task.Factory.StartNew(
            () => Wait(pid), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static int Wait(int pid)
    {
        int status;
        int result;
        do
        {
            result = ProcessCalls.WaitPid(pid, out status, 0);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);
        if (result < 0)
        {
            return 0;
        }

        return ExitCode(status);
    }

    /// <summary>What a program of the agent's own choice is started with.</summary>
    public static SpawnRequest Request(string program, IReadOnlyList<string> arguments)
    {
        var path = Encoding.UTF8.GetBytes(program);
        return new SpawnRequest(path, [path, .. arguments.Select(Encoding.UTF8.GetBytes)], [Encoding.UTF8.GetBytes($"PATH={ProcessSpawn.SearchPath}")]);
    }

    /// <summary>The exit code in a status of waitpid(2): 128 + the signal's number for a killed program.</summary>
    public static int ExitCode(int status)
    {
        var signal = status & 0x7f;
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal;
    }
}
