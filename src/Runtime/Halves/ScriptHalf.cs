using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Runtime.Halves;

/// <summary>
/// One half of an operation as its own side sees it: what its script asks for, what the other half sends, and the two ends.
/// It does no I/O; what goes out goes through the <see cref="IHalfOutlet"/>. Thread-safe.
/// </summary>
public sealed class ScriptHalf
{
    private readonly HalfSignal _signal;
    private readonly HalfMessages _messages;
    private readonly HalfBarriers _barriers;
    private readonly HalfReports _reports;
    private readonly HalfParameters _parameters;

    /// <summary>Makes a half whose other half is there.</summary>
    /// <param name="outlet">Where its words go.</param>
    /// <param name="parameters">What its script may ask for; stays the caller's.</param>
    /// <param name="time">All clocks; null for the system's.</param>
    public ScriptHalf(IHalfOutlet outlet, HalfParameters parameters, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        _signal = new HalfSignal(time);
        _messages = new HalfMessages(_signal, outlet);
        _barriers = new HalfBarriers(_signal, outlet);
        _reports = new HalfReports(_signal, outlet, time);
        _parameters = parameters;
    }

    /// <summary>How the other half ended, if it said so.</summary>
    public HalfEnded? PeerEnd { get; private set; }

    /// <summary>Sends a message to the other half; waits while 64 are under way that it has not received.</summary>
    /// <exception cref="ChannelException">InvalidArgument for a longer one than 64 KiB, PeerEnded.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken = default) => _messages.SendAsync(message, cancellationToken);

    /// <summary>The other half's next message, those that it sent before it ended included.</summary>
    /// <param name="timeoutMs">How long to wait; 0: as long as the operation lasts.</param>
    /// <param name="cancellationToken">Ends the wait; no message is lost by that.</param>
    /// <exception cref="ChannelException">DeadlineExceeded, PeerEnded.</exception>
    public ValueTask<byte[]> ReceiveAsync(uint timeoutMs = 0, CancellationToken cancellationToken = default) => _messages.ReceiveAsync(timeoutMs, cancellationToken);

    /// <summary>Waits until both halves have come to the barrier.</summary>
    /// <exception cref="ChannelException">InvalidArgument, FailedPrecondition for one that was used, DeadlineExceeded, PeerEnded.</exception>
    public ValueTask BarrierAsync(string name, uint timeoutMs = 0, CancellationToken cancellationToken = default) => _barriers.ReachAsync(name, timeoutMs, cancellationToken);

    /// <summary>Reports progress in the innermost step that is open.</summary>
    /// <param name="milliPercent">0 to 100,000.</param>
    /// <param name="text">At most 1,024 bytes.</param>
    /// <param name="cancellationToken">Ends the wait of a script that reports too often.</param>
    /// <exception cref="ChannelException">InvalidArgument.</exception>
    public ValueTask ProgressAsync(uint milliPercent, string text, CancellationToken cancellationToken = default) =>
        _reports.ProgressAsync(milliPercent, text, cancellationToken);

    /// <summary>Opens a step that takes a part of the innermost one.</summary>
    /// <param name="name">1 to 256 bytes.</param>
    /// <param name="from">Where it begins in the innermost one, thousandths of a percent.</param>
    /// <param name="to">Where it ends.</param>
    /// <param name="cancellationToken">As for progress.</param>
    /// <exception cref="ChannelException">InvalidArgument; ResourceExhausted for the ninth inside of each other.</exception>
    public ValueTask OpenStepAsync(string name, uint from, uint to, CancellationToken cancellationToken = default) =>
        _reports.OpenStepAsync(name, from, to, cancellationToken);

    /// <summary>Closes the innermost step.</summary>
    /// <exception cref="ChannelException">FailedPrecondition if none is open.</exception>
    public ValueTask CloseStepAsync(CancellationToken cancellationToken = default) => _reports.CloseStepAsync(cancellationToken);

    /// <summary>Sets the result, in the place of an earlier one.</summary>
    /// <exception cref="ChannelException">InvalidArgument for a longer one than 64 KiB.</exception>
    public ValueTask ResultAsync(ReadOnlyMemory<byte> result, CancellationToken cancellationToken = default) => _reports.ResultAsync(result, cancellationToken);

    /// <summary>A line for the log.</summary>
    /// <param name="level">0 debug, 1 info, 2 warning, 3 error.</param>
    /// <param name="text">At most 4,096 bytes.</param>
    /// <param name="cancellationToken">As for progress.</param>
    /// <exception cref="ChannelException">InvalidArgument.</exception>
    public ValueTask LogAsync(uint level, string text, CancellationToken cancellationToken = default) => _reports.LogAsync(level, text, cancellationToken);

    /// <summary>The value of a parameter.</summary>
    /// <exception cref="ChannelException">NotFound.</exception>
    public ReadOnlyMemory<byte> Parameter(string name) => _parameters.Get(name);

    /// <summary>Takes what came from the other side; never waits.</summary>
    /// <param name="kind">Message, Barrier, Ended or Taken.</param>
    /// <param name="untrustedContent">What stood behind the kind.</param>
    /// <exception cref="ChannelException">InvalidArgument, ResourceExhausted: the other side breaks the contract; the operation should end.</exception>
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
            case InstallMessage.Taken:
                _messages.Taken();
                break;
            case InstallMessage.Ended:
                PeerEnd = HalfWire.Parse(HalfEnded.Parser, untrustedContent);
                EndPeer(HalfWire.Describe(PeerEnd));
                break;
            default:
                throw HalfWire.Unexpected(kind);
        }
    }

    /// <summary>The other half has ended or is not there: whoever waits for it is woken with PeerEnded.</summary>
    /// <param name="why">For the script.</param>
    public void EndPeer(string why) => _signal.EndPeer(why);

    /// <summary>The operation is over: whoever waits is woken with FailedPrecondition, and nothing is taken any more.</summary>
    /// <param name="why">For the script.</param>
    public void End(string why) => _signal.End(why);
}
