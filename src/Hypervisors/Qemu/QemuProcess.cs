using System.ComponentModel;
using System.IO.Pipes;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// The process of one QEMU, in control groups where this machine has them, and its guard, which kills it when this process dies. QEMU
/// cannot keep them from that. A QEMU that is detached has no guard.
/// </summary>
internal sealed class QemuProcess : IDisposable
{
    private const int MaxErrorOutput = 4096;
    private const int MaxLastWords = 512;

    /// <summary>A shell's exit code for a program that signal 0 ended.</summary>
    private const int SignalBase = 128;

    /// <summary>Of a QEMU that is bounded in nothing else.</summary>
    private static readonly ResourceLimits s_usualLimits = new(null, 4096, null);

    private static readonly TimeSpan s_endWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly int _pid;
    private readonly SafeFileHandle? _pidFd;
    private readonly ResourceGroup _group;
    private readonly QemuDescriptors _files;
    private readonly TailBuffer _errors = new(LaunchDiagnosis.MaxOutput);
    private readonly AnonymousPipeClientStream _output;
    private int _code;

    private QemuProcess(int pid, SafeFileHandle output, ProcessGuard? guard, ResourceGroup group, QemuDescriptors files)
    {
        (_pid, _group, _files) = (pid, group, files);
        _pidFd = ProcessHandle.Open(pid);
        Identity = ProcessIdentity.Of(pid);
        // Read without a thread.
        _output = new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(output.DangerousGetHandle(), ownsHandle: true));
        output.SetHandleAsInvalid();
        Exited = Task.Factory.StartNew(() => Wait(guard), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Reading = ReadAsync();
    }

    /// <summary>Which process it is; null if it had ended at once.</summary>
    public ProcessIdentity? Identity { get; }

    /// <summary>Folders of the control groups.</summary>
    public IReadOnlyList<string> ControlGroups => _group.Paths;

    /// <summary>Ends when QEMU has ended.</summary>
    public Task Exited { get; }

    /// <summary>Whether QEMU still runs.</summary>
    public bool IsRunning => !Exited.IsCompleted;

    /// <summary>Ends when all that it wrote is read.</summary>
    public Task Reading { get; }

    /// <summary>The end of what it wrote.</summary>
    public byte[] Errors => _errors.ToArray();

    /// <summary>What it wrote, its lines in one, bounded and escaped.</summary>
    public string ErrorOutput => SafeText.Escape(
        string.Join("; ", Words.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)), MaxErrorOutput);

    /// <summary>The last line that it wrote, bounded and escaped; empty if it wrote nothing.</summary>
    public string LastWords => SafeText.Escape(Words.Trim().Split('\n')[^1], MaxLastWords);

    /// <summary>How QEMU ended, as a part of a sentence; only once it has.</summary>
    public string HowEnded => _code switch
    {
        0 => "QEMU ended",
        > SignalBase and var code => $"QEMU was ended by signal {code - SignalBase}",
        var code => $"QEMU ended with code {code}",
    };

    private string Words => _files.Explain(Encoding.UTF8.GetString(Errors));

    /// <summary>Starts one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: there is no shell, or no namespace of the network, or something that it is given cannot be opened.</exception>
    public static QemuProcess Start(QemuOptions options, string folder)
    {
        using var files = options.Descriptors ?? new QemuDescriptors();
        // These may open more.
        string[] command = [.. QemuArguments.Of(options, folder, files)];
        var group = ResourceGroup.Create($"vm-{Guid.NewGuid():N}", options.Confinement?.Limits ?? s_usualLimits);
        ProcessGuard? guard = null;
        try
        {
            Check(options.IsDetached ? 0 : ProcessGuard.Start(group.Paths, options.Confinement?.Lease?.File, options.Confinement?.Lease?.Path, out guard));
            var (read, write) = Descriptor.Pipe() ?? throw Failed(Errno.Last);
            using (write)
            {
                if (QemuSpawn.Start(options, command, group, write, files, out var pid, out var hasJoined) is not 0 and var error)
                {
                    read.Dispose();
                    throw Failed(error);
                }

                guard?.Watch(pid);
                options.Confinement?.Told(group, hasJoined);
                return new QemuProcess(pid, read, guard, group, files);
            }
        }
        catch
        {
            guard?.Dispose();
            group.End();
            throw;
        }
    }

    /// <summary>The error for a QEMU that ended at once, with its error output.</summary>
    public async Task<ChannelException> EndedAsync()
    {
        // A child of it may hold the pipe open.
        await Reading.WaitAsync(s_lastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"QEMU ended at once with code {_code}: {ErrorOutput}");
    }

    /// <summary>As <see cref="EndedAsync"/>, for a QEMU whose socket has gone; null if it does not end within 5 s.</summary>
    public async Task<ChannelException?> EndedSoonAsync()
    {
        await Exited.WaitAsync(s_endWait).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return Exited.IsCompleted ? await EndedAsync().ConfigureAwait(false) : null;
    }

    /// <summary>Kills all of them.</summary>
    /// <param name="within">How long their end is waited for; the kernel may still be busy with what they held.</param>
    public async ValueTask KillAsync(TimeSpan within)
    {
        if (!_group.Kill())
        {
            KillTree();
        }

        Identity?.Kill();
        await Exited.WaitAsync(within).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.Run(_group.End).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => _output.Dispose();

    // Where there are no control groups.
    private void KillTree()
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(_pid);
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended, or the rest of it cannot be killed.
        }
    }

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw Failed(error);
        }
    }

    private static ChannelException Failed(int error) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"/bin/sh cannot be started for QEMU: {Errno.Describe(error)}");

    private unsafe void Wait(ProcessGuard? guard)
    {
        if (_pidFd is not null)
        {
            var entry = new PollFd { Fd = (int)_pidFd.DangerousGetHandle(), Events = Abi.POLLIN };
            while (DescriptorCalls.Poll(&entry, 1, Timeout.Infinite) < 0)
            {
                // A signal of the runtime's.
            }

            // What it left in its process group: until it is reaped, the group's number can belong to no other group.
            _ = ProcessCalls.Kill(-_pid, Abi.SIGKILL);
            guard?.Dispose();
        }

        int result;
        int status;
        do
        {
            result = ProcessCalls.WaitPid(_pid, out status, 0);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);
        _code = result < 0 ? 0 : ChildProcess.ExitCode(status);
        guard?.Dispose();
        _pidFd?.Dispose();
    }

    // To its end, so that it never waits for us.
    private async Task ReadAsync()
    {
        var buffer = new byte[MaxErrorOutput];
        try
        {
            while (await _output.ReadAsync(buffer).ConfigureAwait(false) is > 0 and var count)
            {
                _errors.Add(buffer.AsSpan(0, count));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // It was disposed of.
        }
    }
}
