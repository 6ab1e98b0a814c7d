using System.Text;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using ChannelSdk.Runtime.Halves;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// One operation: takes the scripts, runs the one of the action, joins it with the host's stream, and leaves nothing of it
/// running.
/// </summary>
internal sealed class InstallOperation : IDisposable
{
    // A killed program that does not go hangs in the kernel; nobody can wait for it.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(5);
    private const uint MostProcesses = 4096;

    private readonly InstallSpec _spec;
    private readonly InstallPlace _place;
    private readonly string _target;
    private readonly HalfStream _stream;
    private readonly ScriptHalf _half;
    private ExecProcess? _process;
    private ExecPump? _pump;

    public InstallOperation(InstallSpec spec, InstallPlace place, string target, ChannelStream stream, Action<ushort> onPercent)
    {
        (_spec, _place, _target) = (spec, place, target);
        _stream = new HalfStream(stream);
        _half = new ScriptHalf(new InstallOutlet(_stream, onPercent), spec.Parameters);
    }

    /// <summary>Serves the host until the script has ended and the host has half-closed.</summary>
    /// <param name="onEnded">Called when the script has ended and the host is about to hear of it.</param>
    /// <param name="cancellationToken">Fires when the stream ends before its time.</param>
    /// <exception cref="ChannelException">The host broke the contract, or has gone.</exception>
    public async Task ServeAsync(Action<ExecExited> onEnded, CancellationToken cancellationToken)
    {
        await TakeScriptsAsync(cancellationToken).ConfigureAwait(false);
        var server = new HalfServer(_place.Socket, _half);
        await using (server.ConfigureAwait(false))
        {
            Start();
            using CancellationTokenRegistration _ = cancellationToken.UnsafeRegister(static self => ((InstallOperation)self!).Kill(), this);
            Task ending = EndAsync(server, onEnded);
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
        _half.End("the operation has ended");
        _spec.Parameters.Wipe();
        _pump?.Dispose();
        _stream.Dispose();
    }

    private async Task TakeScriptsAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using ReceivedMessage message = await _stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the stream ended before the operation was started");
            }
            switch ((InstallMessage)message.Span[0])
            {
                case InstallMessage.Script:
                    _place.Add(HalfWire.Parse(InstallScript.Parser, message.Span[1..]));
                    break;
                case InstallMessage.Start:
                    return;
                default:
                    _half.OnPeer((InstallMessage)message.Span[0], message.Span[1..]);
                    break;
            }
        }
    }

    private void Start()
    {
        var request = new ExecRequest
        {
            Argv = { ByteString.CopyFromUtf8($"{_place.Scripts}/{_spec.Action}") },
            Environment =
            {
                // First, so that it is found where the environment is long.
                Variable(HalfVariables.Socket, _place.Socket), Variable(HalfVariables.Action, _spec.Action),
                Variable(HalfVariables.Instance, _spec.Instance), Variable(HalfVariables.Target, _target), _spec.Variables,
            },
            WorkingFolder = ByteString.CopyFromUtf8(_place.Scripts),
            MaxProcesses = MostProcesses,
        };
        _process = ExecProcess.Start(ExecSpec.Parse(request), Path.GetFileName(_place.Folder), ExecCapture.Both);
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
            using ReceivedMessage message = await _stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                return;
            }
            _half.OnPeer((InstallMessage)message.Span[0], message.Span[1..]);
        }
    }

    private async Task EndAsync(HalfServer server, Action<ExecExited> onEnded)
    {
        ExecExited exited = await _pump!.Ended.ConfigureAwait(false);
        // What it has started in the background ends with it.
        Kill();
        _half.End("the script has ended");
        await server.DisposeAsync().ConfigureAwait(false);
        onEnded(exited);
        await _stream.WriteAsync(InstallMessage.Ended, HalfWire.Ended(exited.Code, exited.Signal, "")).ConfigureAwait(false);
    }

    private void Kill()
    {
        _process?.Kill();
        InstallProcesses.Kill(_place.Socket);
    }

    /// <summary>On the pump's thread: the script waits while the host takes nothing.</summary>
    private bool Send(ReadOnlyMemory<byte> message)
    {
        InstallMessage kind = message.Span[0] == (byte)ExecMessage.Error ? InstallMessage.Error : InstallMessage.Output;
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

    private static ByteString Variable(string name, string value) => UnsafeByteOperations.UnsafeWrap(Encoding.UTF8.GetBytes($"{name}={value}"));
}
