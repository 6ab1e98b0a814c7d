using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// The processes of one QEMU: a guard that dies with this process and takes QEMU along, and QEMU itself, both in a control
/// group where this machine has one. QEMU cannot keep them from being killed.
/// </summary>
internal sealed class QemuProcess : IDisposable
{
    /// <summary>
    /// Runs QEMU in the control group that the first argument names ("" for none), and kills it when our end of standard input
    /// closes, which the kernel sees to however we die. (A parent-death signal would follow the thread that started QEMU, and
    /// pool threads come and go.)
    /// </summary>
    private const string Guard = """
        group=$1
        shift
        [ -z "$group" ] || echo 0 2>/dev/null >"$group/cgroup.procs"
        exec 3<&0
        "$@" 3<&- </dev/null >&2 &
        qemu=$!
        (read -r _ <&3; kill -9 $qemu; [ -z "$group" ] || echo 1 >"$group/cgroup.kill") 2>/dev/null >&2 &
        guard=$!
        wait $qemu 2>/dev/null
        code=$?
        kill $guard 2>/dev/null
        exit $code
        """;

    /// <summary>
    /// Runs QEMU in the control group that the first argument names ("" for none) and in a session of its own, where nothing that ends us reaches
    /// it. It is the process that was started. Once we have gone, what it writes has no reader, which it ignores.
    /// </summary>
    private const string Detached = """
        group=$1
        shift
        [ -z "$group" ] || echo 0 2>/dev/null >"$group/cgroup.procs"
        cd /
        exec setsid -- "$@" </dev/null >&2
        """;

    private const int MaxErrorOutput = 4096;
    private const int MaxLastWords = 512;
    private const int MaxProcesses = 4096;

    /// <summary>A shell's exit code for a program that signal 0 ended.</summary>
    private const int SignalBase = 128;

    private static readonly TimeSpan s_endWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    // What a QEMU needs to find its files; nothing else of the environment of a host manager is its business.
    private static readonly string[] s_inherited = ["PATH", "TMPDIR"];

    private readonly Process _process;
    private readonly Cgroup? _group;
    private readonly TailBuffer _errors = new(LaunchDiagnosis.MaxOutput);

    private QemuProcess(Process process, Cgroup? group)
    {
        (_process, _group) = (process, group);
        Guardian = ProcessIdentity.Of(process.Id);
        Exited = process.WaitForExitAsync();
        Reading = ReadAsync(process.StandardError.BaseStream);
    }

    /// <summary>The guard, or QEMU itself where it has none; null if it had ended at once.</summary>
    public ProcessIdentity? Guardian { get; }

    /// <summary>Folder of the control group; null if there is none.</summary>
    public string? ControlGroup => _group?.Path;

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
        string.Join("; ", Encoding.UTF8.GetString(Errors).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)), MaxErrorOutput);

    /// <summary>The last line that it wrote, bounded and escaped; empty if it wrote nothing.</summary>
    public string LastWords => SafeText.Escape(Encoding.UTF8.GetString(Errors).Trim().Split('\n')[^1], MaxLastWords);

    /// <summary>How QEMU ended, as a part of a sentence; only once it has.</summary>
    public string HowEnded => _process.ExitCode switch
    {
        0 => "QEMU ended",
        > SignalBase and var code => $"QEMU was ended by signal {code - SignalBase}",
        var code => $"QEMU ended with code {code}",
    };

    /// <summary>Starts one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: there is no shell, or no namespace of the network.</exception>
    public static QemuProcess Start(QemuOptions options, string folder)
    {
        var group = Cgroup.Create($"vm-{Guid.NewGuid():N}", MaxProcesses);
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        SetEnvironment(start.Environment, options.Environment);
        foreach (var argument in (IEnumerable<string>)["-c", options.IsDetached ? Detached : Guard, "sh", group?.Path ?? "", .. QemuArguments.Of(options, folder)])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            return new QemuProcess(options.Network?.Start(start) ?? Process.Start(start)!, group);
        }
        catch (Exception e)
        {
            group?.Remove();
            throw e is Win32Exception ? new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"/bin/sh cannot be started: {FileFault.Describe(e)}", e) : e;
        }
    }

    /// <summary>The error for a QEMU that ended at once, with its error output.</summary>
    public async Task<ChannelException> EndedAsync()
    {
        // A child of it may hold the pipe open.
        await Reading.WaitAsync(s_lastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return new ChannelException(ChannelError.TransportFailed, ErrorClass.Refused, $"QEMU ended at once with code {_process.ExitCode}: {ErrorOutput}");
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
        _group?.Kill();
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended, or the rest of it cannot be killed.
        }

        await Exited.WaitAsync(within).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_group is not null)
        {
            await Task.Run(() => Cgroup.End(_group.Path)).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();

    /// <summary>Makes the environment of a QEMU: what it needs of ours, and what it is given.</summary>
    internal static void SetEnvironment(IDictionary<string, string?> environment, IReadOnlyDictionary<string, string> given)
    {
        foreach (var name in environment.Keys.Except(s_inherited).ToArray())
        {
            environment.Remove(name);
        }

        environment["LC_ALL"] = "C";
        foreach (var (name, value) in given)
        {
            environment[name] = value;
        }
    }

    // To its end, so that it never waits for us.
    private async Task ReadAsync(Stream output)
    {
        var buffer = new byte[MaxErrorOutput];
        try
        {
            while (await output.ReadAsync(buffer).ConfigureAwait(false) is > 0 and var count)
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
