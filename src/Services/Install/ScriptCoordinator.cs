using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Services.Install;

/// <summary>
/// The state of one half of an operation on its own side: the requests of its script, the messages of the other half, and the two ends.
/// It does no I/O; what goes out goes through the <see cref="IScriptSink"/>. Thread-safe.
/// </summary>
public sealed class ScriptCoordinator
{
    private readonly ScriptSignal _signal;
    private readonly ScriptMessages _messages;
    private readonly ScriptBarriers _barriers;
    private readonly ScriptPipes _pipes;
    private readonly ScriptReports _reports;
    private readonly ScriptParameters _parameters;

    /// <summary>Makes a half whose other half is there.</summary>
    /// <param name="sink">Takes what it sends and reports.</param>
    /// <param name="parameters">What its script may ask for; stays the caller's.</param>
    /// <param name="time">All clocks; null for the system's.</param>
    public ScriptCoordinator(IScriptSink sink, ScriptParameters parameters, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        _signal = new ScriptSignal(time);
        _messages = new ScriptMessages(_signal, sink);
        _barriers = new ScriptBarriers(_signal, sink);
        _pipes = new ScriptPipes(_signal);
        _reports = new ScriptReports(_signal, sink, time);
        _parameters = parameters;
    }

    /// <summary>How the other half ended, if it said so.</summary>
    public ScriptEnded? PeerEnd { get; private set; }

    /// <summary>Sends a message to the other half; waits while 64 are under way that it has not received.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a longer one than 64 KiB, <see cref="ChannelError.PeerEnded"/>.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken = default) => _messages.SendAsync(message, cancellationToken);

    /// <summary>The other half's next message, those that it sent before it ended included.</summary>
    /// <param name="timeout">How long to wait, 0 or more; null: as long as the operation lasts.</param>
    /// <param name="cancellationToken">Ends the wait; no message is lost by that.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.DeadlineExceeded"/>, <see cref="ChannelError.PeerEnded"/>.</exception>
    public ValueTask<byte[]> ReceiveAsync(TimeSpan? timeout = null, CancellationToken cancellationToken = default) => _messages.ReceiveAsync(timeout, cancellationToken);

    /// <summary>Waits until both halves have come to the barrier.</summary>
    /// <param name="name">1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'.</param>
    /// <param name="timeout">How long to wait, 0 or more; null: as long as the operation lasts.</param>
    /// <param name="cancellationToken">Ends the wait; it may be taken up again.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.FailedPrecondition"/> for a used barrier, <see cref="ChannelError.DeadlineExceeded"/>, <see cref="ChannelError.PeerEnded"/>.</exception>
    public ValueTask BarrierAsync(string name, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        _barriers.ReachAsync(name, timeout, cancellationToken);

    /// <summary>A tool with a stream waits until the other side takes it; then it is that side's to move what comes.</summary>
    /// <param name="end">The tool, by a name as of a barrier.</param>
    /// <param name="timeout">How long to wait, 0 or more; null: as long as the operation lasts.</param>
    /// <param name="cancellationToken">The tool has gone.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: another one waits by this name; <see cref="ChannelError.DeadlineExceeded"/>, <see cref="ChannelError.PeerEnded"/>.</exception>
    public ValueTask OfferAsync(ScriptPipeEnd end, TimeSpan? timeout, CancellationToken cancellationToken = default) => _pipes.OfferAsync(end, timeout, cancellationToken);

    /// <summary>The other side takes a tool with a stream, once one has come.</summary>
    /// <param name="name">The stream's name.</param>
    /// <param name="isWriter">Whether the tool sends.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: no name; <see cref="ChannelError.FailedPrecondition"/>: the operation is over.</exception>
    public ValueTask<ScriptPipeEnd> TakeAsync(string name, bool isWriter, CancellationToken cancellationToken = default) => _pipes.TakeAsync(name, isWriter, cancellationToken);

    /// <summary>Waits until the other half has ended, or the operation is over, and throws what calls that wait for it get then.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PeerEnded"/>, <see cref="ChannelError.FailedPrecondition"/>.</exception>
    public async Task WatchPeerAsync(CancellationToken cancellationToken = default) =>
        await _signal.WaitAsync<object>(() =>
        {
            _signal.ThrowIfPeerEnded();
            return null;
        }, null, "", cancellationToken).ConfigureAwait(false);

    /// <summary>Reports progress in the innermost step that is open.</summary>
    /// <param name="percent">0 to 100; thousandths count.</param>
    /// <param name="text">At most 1,024 bytes.</param>
    /// <param name="cancellationToken">Ends the wait of a script that reports too often.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public ValueTask ProgressAsync(double percent, string text, CancellationToken cancellationToken = default) =>
        _reports.ProgressAsync(percent, text, cancellationToken);

    /// <summary>Opens a step that takes a part of the innermost one.</summary>
    /// <param name="name">1 to 256 bytes.</param>
    /// <param name="from">Where it begins in the innermost one, percent.</param>
    /// <param name="to">Where it ends, percent.</param>
    /// <param name="cancellationToken">As for progress.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>; <see cref="ChannelError.ResourceExhausted"/> for the ninth inside of each other.</exception>
    public ValueTask OpenStepAsync(string name, double from, double to, CancellationToken cancellationToken = default) =>
        _reports.OpenStepAsync(name, from, to, cancellationToken);

    /// <summary>Closes the innermost step.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/> if none is open.</exception>
    public ValueTask CloseStepAsync(CancellationToken cancellationToken = default) => _reports.CloseStepAsync(cancellationToken);

    /// <summary>Sets the result, in the place of an earlier one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a longer one than 64 KiB.</exception>
    public ValueTask ResultAsync(ReadOnlyMemory<byte> result, CancellationToken cancellationToken = default) => _reports.ResultAsync(result, cancellationToken);

    /// <summary>A line for the log.</summary>
    /// <param name="level">How much it matters.</param>
    /// <param name="text">At most 4,096 bytes.</param>
    /// <param name="cancellationToken">As for progress.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>.</exception>
    public ValueTask LogAsync(InstallLogLevel level, string text, CancellationToken cancellationToken = default) => _reports.LogAsync(level, text, cancellationToken);

    /// <summary>The value of a parameter.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>.</exception>
    public ReadOnlyMemory<byte> Parameter(string name) => _parameters.Get(name);

    /// <summary>Takes what came from the other side; never waits.</summary>
    /// <param name="kind">Message, Barrier, Ended or Received.</param>
    /// <param name="untrustedContent">What stood behind the kind.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>, <see cref="ChannelError.ResourceExhausted"/>: the other side breaks the contract; the operation should end.</exception>
    public void OnPeer(InstallMessage kind, ReadOnlySpan<byte> untrustedContent)
    {
        switch (kind)
        {
            case InstallMessage.Message:
                _messages.Add(untrustedContent);
                break;
            case InstallMessage.Barrier:
                _barriers.PeerReached(untrustedContent);
                break;
            case InstallMessage.Received:
                _messages.OnReceived();
                break;
            case InstallMessage.Ended:
                PeerEnd = InstallWire.Parse(ScriptEnded.Parser, untrustedContent);
                EndPeer(InstallWire.Describe(PeerEnd));
                break;
            default:
                throw InstallWire.Unexpected(kind);
        }
    }

    /// <summary>The other half has ended or is not there: calls that wait for it fail with PeerEnded.</summary>
    /// <param name="why">For the script.</param>
    public void EndPeer(string why) => _signal.EndPeer(why);

    /// <summary>The operation is over: waiting calls fail with FailedPrecondition, and later calls too.</summary>
    /// <param name="why">For the script.</param>
    public void End(string why) => _signal.End(why);
}
