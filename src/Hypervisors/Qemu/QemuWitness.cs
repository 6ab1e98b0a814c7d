using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>
/// Watches one QEMU for what explains its end: the guest's console, which it reads always so that the guest never waits for
/// it, QEMU's errors, and the events of its machine. All of it is bounded.
/// </summary>
internal sealed class QemuWitness : IAsyncDisposable
{
    private const int BufferBytes = 4096;
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly QemuProcess _process;
    private readonly Socket _console;
    private readonly IReadOnlyDictionary<string, string> _disks;
    private readonly TailBuffer _said = new(LaunchDiagnosis.MaxOutput);
    private readonly Task _watching;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string _shutdown = "";
    private volatile string _fault = "";

    private QemuWitness(QemuProcess process, QmpClient qmp, Socket console, IReadOnlyDictionary<string, string> disks)
    {
        (_process, _console, _disks) = (process, console, disks);
        _watching = Task.WhenAll(ReadAsync(), qmp.AttendAsync(), ListenAsync(qmp));
    }

    /// <summary>Begins, before the guest runs.</summary>
    /// <param name="process">QEMU.</param>
    /// <param name="qmp">Its machine protocol, whose events this takes.</param>
    /// <param name="console">Path of the console's socket, which has one client at a time.</param>
    /// <param name="disks">Names of its disks' nodes, with their paths.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.LinkLost"/>: the console cannot be reached, as QEMU has gone.</exception>
    public static async Task<QemuWitness> StartAsync(QemuProcess process, QmpClient qmp, string console, IReadOnlyDictionary<string, string> disks, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(console), cancellationToken).ConfigureAwait(false);
            return new QemuWitness(process, qmp, socket, disks);
        }
        catch (Exception e)
        {
            socket.Dispose();
            throw e is SocketException ? new ChannelException(ChannelError.LinkLost, ErrorClass.Retry, $"the guest's console {console} cannot be reached: {FileFault.Describe(e)}", e) : e;
        }
    }

    /// <summary>Ends when QEMU has stopped the machine, which does not go on by itself: its disk could not be written.</summary>
    public Task Stopped => _stopped.Task;

    /// <summary>What is known by now; once QEMU has ended, after all that it had still to say.</summary>
    public async ValueTask<LaunchDiagnosis> DiagnoseAsync()
    {
        if (!_process.IsRunning)
        {
            // A child of it may hold a socket or pipe open.
            await Task.WhenAll(_watching, _process.Reading).WaitAsync(s_lastWords).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return new LaunchDiagnosis { Reason = Reason(), Console = _said.ToArray(), Errors = _process.Errors };
    }

    /// <summary>Ends the watching; the machine protocol's client, which is another's, must have been disposed of.</summary>
    public async ValueTask DisposeAsync()
    {
        _console.Dispose();
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>What a machine's end is by its SHUTDOWN event (QEMU's QAPI, ShutdownCause), as a part of a sentence.</summary>
    internal static string Describe(string untrustedCause) => untrustedCause switch
    {
        "guest-shutdown" => "it switched itself off",
        "guest-reset" => "it was reset from inside",
        "guest-panic" => "its kernel panicked",
        "host-signal" => "QEMU was told by a signal to end",
        "host-error" => "QEMU had an error",
        "host-qmp-quit" or "host-ui" => "QEMU was told to end",
        _ => $"QEMU says {SafeText.Escape(untrustedCause, 64)}",
    };

    private string Reason()
    {
        if (_shutdown.Length == 0 && _stopped.Task.IsCompleted)
        {
            return $"QEMU stopped it{_fault}";
        }

        var why = _shutdown.Length > 0 ? Describe(_shutdown) : _process.IsRunning ? "" : _process.HowEnded;
        var words = _process.LastWords;
        // What a guest does to itself QEMU has no words for; older ones would mislead.
        return why.StartsWith("QEMU", StringComparison.Ordinal) && words.Length > 0 ? $"{why} ({words})" : why;
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[BufferBytes];
        try
        {
            while (await _console.ReceiveAsync(buffer, SocketFlags.None).ConfigureAwait(false) is > 0 and var count)
            {
                _said.Add(buffer.AsSpan(0, count));
                await YieldAsync();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // QEMU has gone, or this was disposed of.
        }
    }

    private async Task ListenAsync(QmpClient qmp)
    {
        await foreach (var untrusted in qmp.Events.ReadAllAsync().ConfigureAwait(false))
        {
            Listen(UntrustedJson.Text(untrusted, "event"), UntrustedJson.Member(untrusted, "data") ?? default);
            await YieldAsync();
        }
    }

    // What a guest or its QEMU says without an end must not keep a thread to itself.
    private static ConfiguredTaskAwaitable YieldAsync() => Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

    private void Listen(string untrustedEvent, JsonElement untrusted)
    {
        switch (untrustedEvent)
        {
            case "SHUTDOWN":
                _shutdown = UntrustedJson.Text(untrusted, "reason");
                break;
            case "BLOCK_IO_ERROR" when UntrustedJson.Text(untrusted, "action") == "stop":
                var node = UntrustedJson.Text(untrusted, "node-name");
                var why = SafeText.Escape(UntrustedJson.Text(untrusted, "reason"), 128);
                _fault = $", as its disk {_disks.GetValueOrDefault(node) ?? SafeText.Escape(node, 64)} cannot be used: {why}"
                    + (UntrustedJson.IsTrue(untrusted, "nospace") ? "; make room in the file system that it lies in" : "");
                _stopped.TrySetResult();
                break;
            case "STOP":
                _stopped.TrySetResult();
                break;
        }
    }
}
