using System.IO.Pipelines;
using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;

namespace ChannelSdk.Host.Exec;

/// <summary>
/// A program that runs in the guest. Read both of its outputs: unread output stops the program once the buffers on the
/// way are full. Disposing of it kills the program, if it still runs, with all that it started.
/// </summary>
public sealed class ExecSession : IAsyncDisposable
{
    private const int OutputBuffer = 256 << 10;
    private readonly AgentConnection _connection;
    private readonly ChannelStream _stream;
    private readonly ulong _run;
    private readonly Pipe _output = NewPipe();
    private readonly Pipe _error = NewPipe();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<ExecExit> _exit;
    private int _isDisposed;

    internal ExecSession(AgentConnection connection, ChannelStream stream, ExecStarted started)
    {
        (_connection, _stream, _run) = (connection, stream, started.Run);
        (ProcessId, IsLimited) = (started.Pid, started.IsLimited);
        StandardInput = new ExecInput(stream);
        (StandardOutput, StandardError) = (_output.Reader.AsStream(), _error.Reader.AsStream());
        _exit = Task.Run(PumpAsync);
    }

    /// <summary>Its number in the guest.</summary>
    public uint ProcessId { get; }

    /// <summary>Whether the guest can bound the number of its processes.</summary>
    public bool IsLimited { get; }

    /// <summary>What it reads. Dispose of it to end the input.</summary>
    public Stream StandardInput { get; }

    /// <summary>What it writes: bytes of an untrusted party.</summary>
    public Stream StandardOutput { get; }

    /// <summary>What it complains: bytes of an untrusted party.</summary>
    public Stream StandardError { get; }

    /// <summary>Waits for its end. Its output can still be read afterwards.</summary>
    /// <exception cref="ChannelException">The session was lost, or the guest gave up the run; it may have run.</exception>
    public Task<ExecExit> ExitAsync(CancellationToken cancellationToken = default) => _exit.WaitAsync(cancellationToken);

    /// <summary>Sends a signal to its process group.</summary>
    /// <param name="signal">1 to 64, by the guest's numbers.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>: it has ended. Or the call failed.</exception>
    public async Task SignalAsync(int signal, CancellationToken cancellationToken = default)
    {
        OptionCheck.Range(signal, 1, 64);
        var request = new ExecSignalRequest { Run = _run, Signal = (uint)signal };
        await _connection.Channel.CallAsync(ExecMethods.Signal, request, new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Kills it with all that it started, and does not wait for its end.</summary>
    public ValueTask KillAsync() => _stream.DisposeAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        await ((Task)_exit).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private static Pipe NewPipe() => new(new PipeOptions(pauseWriterThreshold: OutputBuffer, resumeWriterThreshold: OutputBuffer / 2, useSynchronizationContext: false));

    private async Task<ExecExit> PumpAsync()
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                using var message = await _stream.ReadAsync(_stop.Token).ConfigureAwait(false);
                if (message.IsEnd || message.Span.IsEmpty)
                {
                    throw Wrong("the guest ended the run without telling how");
                }

                var content = message.Memory[1..];
                switch ((ExecMessage)message.Span[0])
                {
                    case ExecMessage.Output:
                        await _output.Writer.WriteAsync(content, _stop.Token).ConfigureAwait(false);
                        break;
                    case ExecMessage.Error:
                        await _error.Writer.WriteAsync(content, _stop.Token).ConfigureAwait(false);
                        break;
                    case ExecMessage.Exited:
                        return ParseExit(content);
                    default:
                        throw Wrong($"the guest sent a message of kind {message.Span[0]} in a run");
                }
            }
        }
        catch (Exception e)
        {
            failure = e;
            throw;
        }
        finally
        {
            await _output.Writer.CompleteAsync(failure).ConfigureAwait(false);
            await _error.Writer.CompleteAsync(failure).ConfigureAwait(false);
        }
    }

    private static ExecExit ParseExit(ReadOnlyMemory<byte> untrusted)
    {
        try
        {
            var exited = ExecExited.Parser.ParseFrom(untrusted.Span);
            return exited.Code <= 255 && exited.Signal <= 127 ? new ExecExit((int)exited.Code, (int)exited.Signal) : throw Wrong("the guest tells an exit code that no program can have");
        }
        catch (Google.Protobuf.InvalidProtocolBufferException)
        {
            throw Wrong("the program's end cannot be decoded");
        }
    }

    private static ChannelException Wrong(string text) => new(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, text);
}
