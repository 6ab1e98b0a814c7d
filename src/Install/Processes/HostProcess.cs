using System.Text;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Processes;

/// <summary>
/// A script of an operation on the host, in its own session and, where possible, a control group. When it or this process has
/// ended all that it started is ended too. One thread reads its outputs and waits for its end.
/// </summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const int MaxProcesses = 4096;
    private const int LookMs = 50;
    private static readonly TimeSpan s_outputGrace = TimeSpan.FromSeconds(1);

    private readonly string _operation;
    private readonly Cgroup? _cgroup;
    private readonly ProcessGuard _guard;
    private readonly int _pid;
    private readonly HostOutputs _outputs;
    private readonly SafeFileHandle? _pidFd;
    private readonly TaskCompletionSource<ScriptEnded> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly Task _attending;
    private bool _isReaped;

    private HostProcess(int pid, string operation, Cgroup? cgroup, ProcessGuard guard, InputPipe? input, HostOutputs outputs)
    {
        (_pid, _operation, _cgroup, _guard, Input, _outputs) = (pid, operation, cgroup, guard, input, outputs);
        Identity = ProcessIdentity.Of(pid) ?? new ProcessIdentity(pid, 0);
        _pidFd = ProcessHandle.Open(pid);
        _attending = Task.Factory.StartNew(Attend, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Which process it is.</summary>
    public ProcessIdentity Identity { get; }

    /// <summary>Folder of its control group; null if it has none.</summary>
    public string? ControlGroup => _cgroup?.Path;

    /// <summary>Its standard input; null: it is empty.</summary>
    public InputPipe? Input { get; }

    /// <summary>How it ended, once it has and its output is read.</summary>
    public Task<ScriptEnded> End => _end.Task;

    /// <summary>Starts a script.</summary>
    /// <param name="script">The script; this open file runs, even if another is in its place by then.</param>
    /// <param name="arguments">What stands behind its name.</param>
    /// <param name="environment">"NAME=value"; the caller wipes it afterwards.</param>
    /// <param name="folder">Where it begins.</param>
    /// <param name="operation">Name of the operation, which must be in the environment (<see cref="OperationProcesses"/>).</param>
    /// <param name="streams">What becomes of what it reads and writes.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be started.</exception>
    public static HostProcess Start(SourceFile script, IReadOnlyList<string> arguments, IReadOnlyList<byte[]> environment, string folder, string operation, HostStreams streams)
    {
        using var begin = new SafeFileHandle(FileCalls.Open(folder, Abi.O_DIRECTORY | Abi.O_CLOEXEC, 0), ownsHandle: true);
        var ends = new List<SafeFileHandle>();
        var cgroup = Cgroup.Create(operation, MaxProcesses);
        ProcessGuard? guard = null;
        try
        {
            if (ProcessGuard.Start(cgroup is null ? [] : [cgroup.Path], null, null, out guard) is not 0 and var fault)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"/bin/sh cannot be started to guard a script: {Errno.Message(fault)}");
            }

            (SafeFileHandle Read, SafeFileHandle Write) Pipe()
            {
                var (read, write) = Descriptor.Pipe() ?? throw Failed(script.Path, Errno.Last);
                ends.AddRange(read, write);
                return (read, write);
            }

            var (output, error) = (Pipe(), Pipe());
            (SafeFileHandle Read, SafeFileHandle Write)? input = streams.HasInput ? Pipe() : null;
            (SafeFileHandle Read, SafeFileHandle Write)? extra = streams.Extra is not null ? Pipe() : null;
            if (streams.IsWide)
            {
                Descriptor.Widen(output.Write);
                Descriptor.Widen((input ?? output).Write);
            }

            var program = Encoding.ASCII.GetBytes($"/proc/self/fd/{SpawnRequest.KeptNumber}");
            var request = new SpawnRequest(program, [program, .. arguments.Select(Encoding.UTF8.GetBytes)], environment)
            {
                Input = input?.Read,
                Output = output.Write,
                Error = error.Write,
                Folder = begin,
                Kept = extra is null ? [script.Handle] : [script.Handle, extra.Value.Write],
                NewSession = true,
                ProcessesFiles = cgroup is null ? [] : [cgroup.ProcessesFile],
            };
            if (ProcessSpawn.Start(request, out var pid, out var hasJoined) is not 0 and var errno)
            {
                throw Failed(script.Path, errno);
            }

            guard!.Watch(pid);
            if (!hasJoined)
            {
                cgroup?.Remove();
                cgroup = null;
            }

            input?.Read.Dispose();
            output.Write.Dispose();
            error.Write.Dispose();
            extra?.Write.Dispose();
            return new HostProcess(pid, operation, cgroup, guard, input is null ? null : new InputPipe(input.Value.Write),
                new HostOutputs([(output.Read, streams.Output), (error.Read, streams.Error), .. extra is null ? [] : new[] { (extra.Value.Read, streams.Extra!) }], streams.IsWide ? 256 << 10 : 32 << 10));
        }
        catch
        {
            ends.ForEach(static end => end.Dispose());
            guard?.Dispose();
            cgroup?.Remove();
            throw;
        }
    }

    /// <summary>Kills it with all that it started, and waits for that.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await _attending.ConfigureAwait(false);
        await Task.Run(() =>
        {
            OperationProcesses.KillScripts(_operation);
            if (_cgroup is not null)
            {
                Cgroup.End(_cgroup.Path);
            }
        }).ConfigureAwait(false);
        Input?.Dispose();
        _pidFd?.Dispose();
    }

    /// <summary>Kills it with what is in its control group or process group.</summary>
    public void Kill()
    {
        _cgroup?.Kill();
        lock (_gate)
        {
            // Until it is reaped its number can belong to no other process.
            if (!_isReaped)
            {
                _ = ProcessCalls.Kill(-_pid, Abi.SIGKILL);
            }
        }
    }

    private void Attend()
    {
        ScriptEnded? end = null;
        long endedAt = 0;
        while (end is null || (_outputs.IsOpen && TimeProvider.System.GetElapsedTime(endedAt) < s_outputGrace))
        {
            _outputs.Wait(_isReaped ? null : _pidFd, _pidFd is null || _isReaped ? LookMs : Timeout.Infinite);
            var before = TimeProvider.System.GetTimestamp();
            _outputs.Read();
            // The time of those who take it does not count: what is left in the pipe is theirs.
            endedAt += TimeProvider.System.GetTimestamp() - before;

            if (end is null && (end = TryReap()) is not null)
            {
                // What it left running elsewhere would keep its outputs open.
                endedAt = TimeProvider.System.GetTimestamp();
                _cgroup?.Kill();
                OperationProcesses.KillScripts(_operation);
            }
        }

        _outputs.Dispose();
        _end.SetResult(end);
    }

    private ScriptEnded? TryReap()
    {
        lock (_gate)
        {
            if (_pidFd is not null && ProcessHandle.HasEnded(_pidFd))
            {
                // What it left running in its process group: until it is reaped, the group's number can belong to no other group.
                _ = ProcessCalls.Kill(-_pid, Abi.SIGKILL);
                _guard.Dispose();
            }

            var result = ProcessCalls.WaitPid(_pid, out var status, Abi.WNOHANG);
            if (result == 0 || (result < 0 && Errno.Last == Errno.EINTR))
            {
                return null;
            }

            _isReaped = true;
            _guard.Dispose();
            return result < 0
                ? InstallWire.Ended(0, Abi.SIGKILL, "somebody else in this process took the script's exit code away")
                : InstallWire.Ended((uint)(status >> 8) & 0xFF, (uint)status & 0x7F, "");
        }
    }

    private static ChannelException Failed(string script, int error) => new(ChannelError.BadConfiguration, ErrorClass.Refused,
        $"{script} cannot be started: {Errno.Message(error)}; is the interpreter that its first line names there?");
}
