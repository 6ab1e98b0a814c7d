using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>
/// One operation: takes the scripts, runs the one of the action, joins it with the host's stream, and leaves nothing of it
/// running.
/// </summary>
internal sealed class InstallRun : IDisposable
{
    // A killed program that does not end hangs in the kernel; a wait for it has no end.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(5);

    private readonly InstallSpec _spec;
    private readonly InstallFolder _folder;
    private readonly string _target;
    private readonly InstallStream _stream;
    private readonly ScriptCoordinator _coordinator;
    private readonly DataCalls _data;
    private ScriptCall? _script;

    public InstallRun(InstallSpec spec, InstallFolder folder, string target, DataCalls data, ChannelStream stream, Action<ushort> onPercent)
    {
        (_spec, _folder, _target, _data) = (spec, folder, target, data);
        _stream = new InstallStream(stream);
        _coordinator = new ScriptCoordinator(new InstallSink(_stream, onPercent), spec.Parameters);
        Pipes = new GuestPipes(_coordinator);
    }

    /// <summary>The streams between the halves.</summary>
    public GuestPipes Pipes { get; }

    /// <summary>Serves the host until the script has ended and the host has half-closed.</summary>
    /// <param name="onEnded">Called when the script has ended and the host is about to hear of it.</param>
    /// <param name="cancellationToken">Fires when the stream ends before its time.</param>
    /// <exception cref="ChannelException">The host broke the contract, or has gone.</exception>
    public async Task ServeAsync(Action<ScriptEnded> onEnded, CancellationToken cancellationToken)
    {
        await ReceiveScriptsAsync(cancellationToken).ConfigureAwait(false);
        var server = new ScriptServer(_folder.Socket, _coordinator, Pipes);
        await using (server.ConfigureAwait(false))
        {
            await StartAsync().ConfigureAwait(false);
            using var _ = cancellationToken.UnsafeRegister(static self => ((InstallRun)self!).Kill(), this);
            var ending = EndAsync(server, onEnded);
            try
            {
                await ReadAsync(cancellationToken).ConfigureAwait(false);
                // Nobody would open what is still to be moved.
                _data.Close("the host ended the operation before all data was moved");
                await ending.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _data.Close("the operation has ended");
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
        _script?.Dispose();
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

    private async ValueTask StartAsync()
    {
        if (_data.IsAny)
        {
            _data.Begin(new DataPlace(_folder, _target, _stream));
            // Not before: what opens on another stream may come sooner than what was sent on this one.
            await _stream.WriteAsync(InstallMessage.DataReady, ReadOnlyMemory<byte>.Empty).ConfigureAwait(false);
            return;
        }

        _script = ScriptCall.Start(_spec, _folder, _target, Path.GetFileName(_folder.Folder), [], Send, ExecCapture.Both);
        _script.EndInput();
        _script.Pump.Start();
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

    private async Task EndAsync(ScriptServer server, Action<ScriptEnded> onEnded)
    {
        var end = _script is null ? await _data.Ended.ConfigureAwait(false) : Ended(await _script.Pump.Ended.ConfigureAwait(false));
        // Its background processes end with it.
        Kill();
        _coordinator.End("the script has ended");
        await server.DisposeAsync().ConfigureAwait(false);
        onEnded(end);
        await _stream.WriteAsync(InstallMessage.Ended, end).ConfigureAwait(false);
    }

    private void Kill()
    {
        _script?.Kill();
        _data.Kill();
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

    private static ScriptEnded Ended(ExecExited exited) => InstallWire.Ended(exited.Code, exited.Signal, "");
}
