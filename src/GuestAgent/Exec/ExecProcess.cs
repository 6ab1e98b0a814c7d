using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>Which of a program's output is taken.</summary>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
/// <param name="IsMerged">Whether its errors go into its output, in the order in which it writes them.</param>
/// <param name="Extra">What it writes to descriptor <see cref="SpawnRequest.KeptNumber"/>, which it has only then.</param>
/// <param name="IsWide">Whether its standard input or output, both of which it has then, moves much and may take the memory for that.</param>
internal readonly record struct ExecCapture(bool Output, bool Error, bool IsMerged = false, bool Extra = false, bool IsWide = false)
{
    /// <summary>Bytes of its output that are taken at a time.</summary>
    public int PieceBytes => IsWide ? 256 << 10 : 32 << 10;

    /// <summary>Both, each for itself.</summary>
    public static ExecCapture Both => new(true, true);
}

/// <summary>One program that was started: its pipes, its process group, its end.</summary>
internal sealed class ExecProcess : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Cgroup? _cgroup;
    private readonly int _pid;
    private readonly InputPipe _input;
    private bool _isReaped;

    private ExecProcess(int pid, Cgroup? cgroup, int pieceBytes, SafeFileHandle input, SafeFileHandle? output, SafeFileHandle? error, SafeFileHandle? extra)
    {
        (_pid, _cgroup, PieceBytes, _input, Output, Error, Extra) = (pid, cgroup, pieceBytes, new InputPipe(input), output, error, extra);
        PidFd = ProcessHandle.Open(pid);
        Descriptor.SetNonBlocking(input);
    }

    public int Pid => _pid;

    /// <summary>Bytes of its output that are taken at a time.</summary>
    public int PieceBytes { get; }

    public bool IsLimited => _cgroup?.IsLimited ?? false;

    /// <summary>Readable once it has ended; null on an old kernel.</summary>
    public SafeFileHandle? PidFd { get; }

    /// <summary>The writing end of its standard input; does not block.</summary>
    public SafeFileHandle Input => _input.Write;

    /// <summary>The reading end of its standard output; null where that is thrown away.</summary>
    public SafeFileHandle? Output { get; }

    /// <summary>The reading end of its standard error; null where that is thrown away, or goes into its output.</summary>
    public SafeFileHandle? Error { get; }

    /// <summary>The reading end of its further descriptor; null where it has none.</summary>
    public SafeFileHandle? Extra { get; }

    /// <summary>Bytes that were written to its standard input and that it has not read, also after <see cref="EndInput"/>.</summary>
    public int UnreadInput => _input.Unread;

    /// <summary>Starts it.</summary>
    /// <param name="spec">What to start.</param>
    /// <param name="name">Unique among the programs of this agent.</param>
    /// <param name="capture">Which of its output is taken. The rest goes to /dev/null, where a daemon may write without end.</param>
    /// <exception cref="ChannelException">What the system said.</exception>
    public static ExecProcess Start(ExecSpec spec, string name, ExecCapture capture)
    {
        using var folder = PathOpener.Open(spec.Folder, Abi.O_PATH | Abi.O_DIRECTORY);
        var ends = new List<SafeFileHandle>();
        Cgroup? cgroup = null;
        (SafeFileHandle Read, SafeFileHandle Write) Pipe()
        {
            var (read, write) = Descriptor.Pipe() ?? throw FileFailure.OfLast("make a pipe for", spec.Shown);
            ends.AddRange(read, write);
            return (read, write);
        }

        try
        {
            var input = Pipe();
            (SafeFileHandle Read, SafeFileHandle Write)? output = capture.Output ? Pipe() : null;
            (SafeFileHandle Read, SafeFileHandle Write)? error = capture is { Error: true, IsMerged: false } ? Pipe() : null;
            (SafeFileHandle Read, SafeFileHandle Write)? extra = capture.Extra ? Pipe() : null;
            if (capture.IsWide)
            {
                Descriptor.Widen(input.Write);
                Descriptor.Widen(output!.Value.Write);
            }

            cgroup = Cgroup.Create(name, spec.MostProcesses);
            var request = new SpawnRequest(spec.Program, spec.Argv, spec.Environment)
            {
                Input = input.Read,
                Output = output?.Write,
                Error = capture.IsMerged ? output?.Write : error?.Write,
                Kept = extra is null ? [] : [extra.Value.Write],
                IsQuiet = true,
                Folder = folder,
                NewSession = true,
                ProcessesFiles = cgroup is null ? [] : [cgroup.ProcessesFile],
            };
            var errno = ProcessSpawn.Start(request, out var pid, out var hasJoined);
            if (errno != 0)
            {
                throw FileFailure.Of(errno, "run", spec.Shown);
            }

            if (!hasJoined)
            {
                cgroup?.Remove();
                cgroup = null;
            }

            input.Read.Dispose();
            output?.Write.Dispose();
            error?.Write.Dispose();
            extra?.Write.Dispose();
            return new ExecProcess(pid, cgroup, capture.PieceBytes, input.Write, output?.Read, error?.Read, extra?.Read);
        }
        catch
        {
            ends.ForEach(static end => end.Dispose());
            cgroup?.Remove();
            throw;
        }
    }

    /// <summary>Ends its standard input, and keeps what it has not read of it countable.</summary>
    public void EndInput() => _input.End();

    /// <summary>Sends a signal to its process group. False if it has ended.</summary>
    public bool Signal(int signal)
    {
        // Until it is reaped, its number can belong to no other process.
        lock (_gate)
        {
            return !_isReaped && ProcessCalls.Kill(-_pid, signal) == 0;
        }
    }

    /// <summary>Kills it with all that it started.</summary>
    public void Kill()
    {
        _cgroup?.Kill();
        Signal(Abi.SIGKILL);
    }

    /// <summary>Its end, once that has come; null before.</summary>
    public ExecExited? TryReap()
    {
        lock (_gate)
        {
            var result = ProcessCalls.WaitPid(_pid, out var status, Abi.WNOHANG);
            if (result == 0 || (result < 0 && Errno.Last == Errno.EINTR))
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
        _input.Dispose();
        Output?.Dispose();
        Error?.Dispose();
        Extra?.Dispose();
        PidFd?.Dispose();
        _cgroup?.Remove();
    }
}
