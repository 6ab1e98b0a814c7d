using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Install;
using ChannelSdk.Transports.LinkLocal;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// One operation: takes the scripts, runs the one of the action, joins it with the host's stream, and leaves nothing of it
/// running.
/// </summary>
internal sealed class InstallRun : IDisposable
{
    // A killed program that does not end hangs in the kernel; a wait for it has no end.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(5);
    private const uint MostProcesses = 4096;

    private readonly InstallSpec _spec;
    private readonly InstallFolder _folder;
    private readonly string _target;
    private readonly int? _proxyPort;
    private readonly InstallStream _stream;
    private readonly ScriptCoordinator _coordinator;
    private ExecProcess? _process;
    private ExecPump? _pump;

    public InstallRun(InstallSpec spec, InstallFolder folder, string target, int? proxyPort, ChannelStream stream, Action<ushort> onPercent)
    {
        (_spec, _folder, _target, _proxyPort) = (spec, folder, target, proxyPort);
        _stream = new InstallStream(stream);
        _coordinator = new ScriptCoordinator(new InstallSink(_stream, onPercent), spec.Parameters);
    }

    /// <summary>Serves the host until the script has ended and the host has half-closed.</summary>
    /// <param name="onEnded">Called when the script has ended and the host is about to hear of it.</param>
    /// <param name="cancellationToken">Fires when the stream ends before its time.</param>
    /// <exception cref="ChannelException">The host broke the contract, or has gone.</exception>
    public async Task ServeAsync(Action<ExecExited> onEnded, CancellationToken cancellationToken)
    {
        await ReceiveScriptsAsync(cancellationToken).ConfigureAwait(false);
        var server = new ScriptServer(_folder.Socket, _coordinator);
        await using (server.ConfigureAwait(false))
        {
            Start();
            using var _ = cancellationToken.UnsafeRegister(static self => ((InstallRun)self!).Kill(), this);
            var ending = EndAsync(server, onEnded);
            try
            {
                await ReadAsync(cancellationToken).ConfigureAwait(false);
                await ending.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                Kill();
                await Task.WhenAny(ending, Task.Delay(s_killGrace, CancellationToken.None)).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _coordinator.End("the operation has ended");
        _spec.Parameters.Wipe();
        _pump?.Dispose();
        _stream.Dispose();
    }

    private async Task ReceiveScriptsAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var message = await _stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the stream ended before the operation was started");
            }

            switch ((InstallMessage)message.Span[0])
            {
                case InstallMessage.Script:
                    _folder.Add(InstallWire.Parse(InstallScript.Parser, message.Span[1..]));
                    break;
                case InstallMessage.Start:
                    return;
                default:
                    _coordinator.OnPeer((InstallMessage)message.Span[0], message.Span[1..]);
                    break;
            }
        }
    }

    private void Start()
    {
        var request = new ExecRequest
        {
            Argv = { ByteString.CopyFromUtf8($"{_folder.Scripts}/{_spec.Action}") },
            Environment =
            {
                // First, so that it is found where the environment is long.
                Variable(ScriptVariables.Socket, _folder.Socket), Variable(ScriptVariables.Action, _spec.Action),
                Variable(ScriptVariables.Instance, _spec.Instance), Variable(ScriptVariables.Target, _target),
                _proxyPort is { } port ? ProxyVariables(port) : [], _spec.Variables,
            },
            WorkingFolder = ByteString.CopyFromUtf8(_folder.Scripts),
            MaxProcesses = MostProcesses,
        };
        var spec = ExecSpec.Parse(request);
        try
        {
            _process = ExecProcess.Start(spec, Path.GetFileName(_folder.Folder), ExecCapture.Both);
        }
        catch (FileException e) when (e.Errno == Errno.ENOENT && _folder.MissingInterpreter(_spec.Action) is { } missing)
        {
            throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
                $"the script {_spec.Action} cannot be run in the appliance: {LogText.Escape(missing, 100)}, which its first line names, is not there; put it into the appliance, or name another program", e);
        }

        _pump = new ExecPump(_process, Send);
        // It has no standard input.
        _process.Input.Dispose();
        _pump.Start();
    }

    /// <summary>Takes what the host sends until it half-closes.</summary>
    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var message = await _stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                return;
            }

            _coordinator.OnPeer((InstallMessage)message.Span[0], message.Span[1..]);
        }
    }

    private async Task EndAsync(ScriptServer server, Action<ExecExited> onEnded)
    {
        var exited = await _pump!.Ended.ConfigureAwait(false);
        // Its background processes end with it.
        Kill();
        _coordinator.End("the script has ended");
        await server.DisposeAsync().ConfigureAwait(false);
        onEnded(exited);
        await _stream.WriteAsync(InstallMessage.Ended, InstallWire.Ended(exited.Code, exited.Signal, "")).ConfigureAwait(false);
    }

    private void Kill()
    {
        _process?.Kill();
        InstallProcesses.Kill(_folder.Socket);
    }

    /// <summary>On the pump's thread: the script waits while the host takes nothing.</summary>
    private bool Send(ReadOnlyMemory<byte> message)
    {
        var kind = message.Span[0] == (byte)ExecMessage.Error ? InstallMessage.Error : InstallMessage.Output;
        try
        {
            _stream.WriteAsync(kind, message[1..]).AsTask().GetAwaiter().GetResult();
            return true;
        }
        catch (ChannelException)
        {
            // The reading side sees the same end, and kills.
            return false;
        }
    }

    /// <summary>As most programs read them. What the agent itself serves in the guest is not behind the proxy.</summary>
    private static ByteString[] ProxyVariables(int port) =>
    [
        Variable("http_proxy", $"http://127.0.0.1:{port}"), Variable("https_proxy", $"http://127.0.0.1:{port}"),
        Variable("no_proxy", $"localhost,127.0.0.1,{LinkLocalAddresses.Host}"),
    ];

    private static ByteString Variable(string name, string value) => UnsafeByteOperations.UnsafeWrap(Encoding.UTF8.GetBytes($"{name}={value}"));
}
