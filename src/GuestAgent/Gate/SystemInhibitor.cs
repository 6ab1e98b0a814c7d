using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Gate;

/// <summary>
/// Keeps logind from shutting the guest down, or letting it sleep, on its own. systemd-inhibit(1) holds the lock for as long as a program
/// runs under it that reads a pipe of the agent: it ends with the agent, however that ends.
/// </summary>
/// <param name="program">Path of systemd-inhibit.</param>
/// <param name="folder">Where logind keeps its locks: there is no logind without it.</param>
internal sealed class SystemInhibitor(string program, string folder)
{
    private const int AnswerMilliseconds = 3000;
    private const int EndMilliseconds = 500;
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(10);
    private readonly Lock _lock = new();
    private SafeFileHandle? _input;
    private volatile int _pid;

    /// <summary>Number of the session that its processes are in; 0 while there is none.</summary>
    public int Session => _pid;

    /// <summary>Takes the lock, on this thread.</summary>
    /// <param name="isSkipped">Whether there is nothing to take it from.</param>
    /// <returns>Why it is not taken, or null.</returns>
    public string? Take(out bool isSkipped)
    {
        lock (_lock)
        {
            isSkipped = true;
            if (!Directory.Exists(folder) || !File.Exists(program))
            {
                return $"there is no logind ({folder}, {program})";
            }

            isSkipped = false;
            if (Descriptor.Pipe() is not var (read, write) || Descriptor.Pipe() is not var (answer, echo))
            {
                return "there is no descriptor left";
            }

            using (read)
            using (answer)
            using (echo)
            {
                // What it says itself goes to its errors, which are dropped.
                var request = ChildProcess.Request(program,
                    ["--what=shutdown:sleep:idle", "--who=channel-agent", "--why=The guest is prepared for a snapshot", "--mode=block", "cat"]);
                var error = ProcessSpawn.Start(request with { Input = read, Output = echo, IsQuiet = true, NewSession = true }, out var pid);
                if (error != 0)
                {
                    write.Dispose();
                    return $"{program} cannot be started: {Errno.Message(error)}";
                }

                (_pid, _input) = (pid, write);
                echo.Dispose();
                // The program under it answers once the lock is held.
                return Descriptor.WriteAll(write, "\n"u8) && HasAnswer(answer) ? null : End("logind did not give the lock");
            }
        }
    }

    /// <summary>Gives the lock back; nothing if there is none.</summary>
    public void Release()
    {
        lock (_lock)
        {
            _ = End("");
        }
    }

    private static unsafe bool HasAnswer(SafeFileHandle answer)
    {
        var entry = new PollFd { Fd = answer.DangerousGetHandle().ToInt32(), Events = Abi.POLLIN };
        byte first;
        return DescriptorCalls.Poll(&entry, 1, AnswerMilliseconds) == 1 && DescriptorCalls.Read(answer, &first, 1) == 1 && first == (byte)'\n';
    }

    private string End(string why)
    {
        if (_pid == 0)
        {
            return why;
        }

        _input!.Dispose();
        for (var waited = 0; ProcessCalls.WaitPid(_pid, out _, Abi.WNOHANG) == 0 && waited < 2 * EndMilliseconds; waited += (int)s_look.TotalMilliseconds)
        {
            if (waited == EndMilliseconds)
            {
                _ = ProcessCalls.Kill(-_pid, Abi.SIGKILL);
            }

            Thread.Sleep(s_look);
        }

        (_pid, _input) = (0, null);
        return why;
    }
}
