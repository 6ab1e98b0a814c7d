using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>One program that was started: its pipes, its process group, its end.</summary>
internal sealed class ExecProcess : IDisposable
{
    private readonly Lock _gate = new();
    private readonly ExecCgroup? _cgroup;
    private readonly int _pid;
    private bool _isReaped;

    private ExecProcess(int pid, ExecCgroup? cgroup, SafeFileHandle input, SafeFileHandle output, SafeFileHandle error)
    {
        (_pid, _cgroup, Input, Output, Error) = (pid, cgroup, input, output, error);
        PidFd = ProcessCalls.PidFd(pid);
        ProcessCalls.SetNonBlocking(input);
    }

    public int Pid => _pid;

    public bool IsLimited => _cgroup?.IsLimited ?? false;

    /// <summary>Readable once it has ended; null on an old kernel.</summary>
    public SafeFileHandle? PidFd { get; }

    /// <summary>The writing end of its standard input; does not block.</summary>
    public SafeFileHandle Input { get; }

    /// <summary>The reading end of its standard output.</summary>
    public SafeFileHandle Output { get; }

    /// <summary>The reading end of its standard error.</summary>
    public SafeFileHandle Error { get; }

    /// <summary>Starts it.</summary>
    /// <param name="spec">What to start.</param>
    /// <param name="name">Unique among the programs of this agent.</param>
    /// <param name="isMerged">Whether its errors go into its output.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public static ExecProcess Start(ExecSpec spec, string name, bool isMerged)
    {
        using SafeFileHandle folder = PathOpener.Open(spec.Folder, FileCalls.PathOnly | FileCalls.Folder);
        var ends = new List<SafeFileHandle>();
        ExecCgroup? cgroup = null;
        try
        {
            for (int i = 0; i < 3; i++)
            {
                (SafeFileHandle read, SafeFileHandle write) = ProcessCalls.Pipe() ?? throw FileFailure.OfLast("make a pipe for", spec.Shown);
                ends.AddRange(read, write);
            }
            cgroup = Libc.Access("/bin/sh", Libc.ExecuteAccess) == 0 ? ExecCgroup.Create(name, spec.MostProcesses) : null;
            SpawnRequest request = Request(spec, cgroup) with
            {
                Input = ends[0], Output = ends[3], Error = isMerged ? ends[3] : ends[5], Folder = folder, NewSession = true,
            };
            int error = ProcessSpawn.Start(request, out int pid);
            if (error != 0)
            {
                throw FileFailure.Of(error, "run", spec.Shown);
            }
            ends[0].Dispose();
            ends[3].Dispose();
            ends[5].Dispose();
            return new ExecProcess(pid, cgroup, ends[1], ends[2], ends[4]);
        }
        catch
        {
            ends.ForEach(static end => end.Dispose());
            cgroup?.Remove();
            throw;
        }
    }

    /// <summary>Sends a signal to its process group. False if it has ended.</summary>
    public bool Signal(int signal)
    {
        // Until it is reaped, its number can belong to nobody else.
        lock (_gate)
        {
            return !_isReaped && Libc.Kill(-_pid, signal) == 0;
        }
    }

    /// <summary>Kills it with all that it started.</summary>
    public void Kill()
    {
        _cgroup?.Kill();
        Signal(ProcessCalls.SigKill);
    }

    /// <summary>Its end, once that has come; null before.</summary>
    public ExecExited? TryReap()
    {
        lock (_gate)
        {
            int result = Libc.WaitPid(_pid, out int status, ProcessCalls.NoHang);
            if (result == 0 || (result < 0 && FileFailure.Last == FileFailure.Eintr))
            {
                return null;
            }
            _isReaped = true;
            // Somebody else in the process took the status away (ECHILD): all that is known is that it ended.
            return result < 0 ? new ExecExited() : new ExecExited { Code = (uint)(status >> 8) & 0xFF, Signal = (uint)status & 0x7F };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Error.Dispose();
        PidFd?.Dispose();
        _cgroup?.Remove();
    }

    private static SpawnRequest Request(ExecSpec spec, ExecCgroup? cgroup)
    {
        if (cgroup is null)
        {
            return new SpawnRequest(spec.Program, spec.Argv, spec.Environment);
        }
        // posix_spawn cannot put a program into a control group; a shell can put itself there and become the program.
        byte[][] argv =
        [
            "sh"u8.ToArray(), "-c"u8.ToArray(), "echo 0 >\"$0\" && exec \"$@\""u8.ToArray(), Encoding.UTF8.GetBytes(cgroup.ProcessesFile),
            spec.Program, .. spec.Argv.Skip(1),
        ];
        return new SpawnRequest("/bin/sh"u8.ToArray(), argv, spec.Environment);
    }
}
