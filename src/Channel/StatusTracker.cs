using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels;

/// <summary>Where the channel is: its state, the peer and its heartbeat, the last error, what was counted. Under the channel's lock.</summary>
internal sealed class StatusTracker(ChannelCore core) : ISessionEvents
{
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Heartbeat? _heartbeat;
    private long _heartbeatAt;
    private int _resumes;

    public ChannelState State { get; private set; }

    /// <summary>Called when the link's state changes.</summary>
    public Action<ChannelState> Moved { get; set; } = static _ => { };

    /// <summary>The channel was disposed of, or is about to be.</summary>
    public bool IsClosed => State >= ChannelState.Closing;

    /// <summary>The peer's identity, by construction of the last link's transport.</summary>
    public PeerIdentity? Peer { get; private set; }

    public ChannelException? LastError { get; set; }

    /// <summary>Ends when a session is established; fails when the channel is closed.</summary>
    public Task Ready => _ready.Task;

    /// <exception cref="ChannelException"><see cref="ChannelError.SessionClosed"/>.</exception>
    public void ThrowIfClosed()
    {
        if (IsClosed)
        {
            throw Closed();
        }
    }

    /// <exception cref="ObjectDisposedException">The channel was disposed of.</exception>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public void Start()
    {
        ObjectDisposedException.ThrowIf(IsClosed, typeof(Channel));
        State = State == ChannelState.New ? ChannelState.Opening : throw new InvalidOperationException("the channel was started before");
    }

    /// <summary>The endpoint is asked for the next link.</summary>
    public void OnOpening() => MoveTo(ChannelState.Opening);

    /// <summary>A link is there.</summary>
    public void OnLink(PeerIdentity peer)
    {
        Peer = peer;
        MoveTo(ChannelState.Handshake);
    }

    /// <summary>Nothing begins any more. False if that was said before.</summary>
    public bool TryClose()
    {
        if (IsClosed)
        {
            return false;
        }

        State = ChannelState.Closing;
        _ready.TrySetException(Closed());
        // There may be no waiting call.
        _ = _ready.Task.Exception;
        return true;
    }

    /// <summary>No link will come any more.</summary>
    public void OnClosed() => State = ChannelState.Closed;

    void ISessionEvents.OnEstablished(bool resumed)
    {
        MoveTo(ChannelState.Up);
        _resumes = resumed ? _resumes + 1 : 0;
        _ready.TrySetResult();
        core.Events.Publish(ChannelEventKind.LinkUp, ChannelError.None, $"link to {Peer} is up");
        core.Events.Publish(resumed ? ChannelEventKind.SessionResumed : ChannelEventKind.SessionStarted, ChannelError.None, $"session {core.Engine.Facts.SessionId:x32}");
    }

    void ISessionEvents.OnLinkLost(ChannelError code, string text)
    {
        MoveTo(ChannelState.Handshake);
        ResetReady();
        core.Events.Publish(ChannelEventKind.LinkLost, code, text);
    }

    void ISessionEvents.OnSessionLost(ChannelError code, string text)
    {
        _heartbeat = null;
        LastError = new ChannelException(code, ErrorClass.Fatal, text);
        ResetReady();
        core.Events.Publish(ChannelEventKind.SessionLost, code, text);
    }

    void ISessionEvents.OnPeerHeartbeat(in Heartbeat heartbeat)
    {
        var isChange = _heartbeat is not { } last || (last.State, last.Until, last.Detail) != (heartbeat.State, heartbeat.Until, heartbeat.Detail);
        // A heartbeat that measured nothing keeps the last measurement.
        _heartbeat = heartbeat with { RoundTrip = heartbeat.RoundTrip ?? _heartbeat?.RoundTrip };
        _heartbeatAt = core.Now;
        if (isChange)
        {
            core.Events.Publish(ChannelEventKind.PeerState, ChannelError.None, $"peer is {heartbeat.State}", heartbeat);
        }
    }

    /// <summary>All of it at this moment.</summary>
    public ChannelStatus Snapshot()
    {
        var (facts, now) = (core.Engine.Facts, core.Now);
        return new ChannelStatus
        {
            LinkState = State switch
            {
                ChannelState.Opening => LinkState.Opening,
                ChannelState.Handshake => LinkState.Handshake,
                ChannelState.Up => LinkState.Up,
                _ => LinkState.Closed,
            },
            SessionId = facts.SessionId == 0 ? null : facts.SessionId,
            Resumes = _resumes,
            PeerHeartbeat = _heartbeat is { } heartbeat && facts.RoundTrip != 0 ? heartbeat with { RoundTrip = TimeSpan.FromMicroseconds(facts.RoundTrip) } : _heartbeat,
            HeartbeatAge = _heartbeat is null ? null : TimeSpan.FromMicroseconds(Math.Max(0, now - Math.Max(_heartbeatAt, facts.HeartbeatAt))),
            LastError = LastError,
            Peer = Peer,
            BytesIn = facts.BytesIn,
            BytesOut = facts.BytesOut,
            ReceivePause = facts.ReceivePausedUntil > now ? TimeSpan.FromMicroseconds(facts.ReceivePausedUntil - now) : null,
            ReceivePauses = facts.ReceivePauses,
            EventsDropped = core.Events.Dropped,
            Version = facts.Version,
            Capabilities = ChannelCapabilities.Names(facts.Capabilities),
        };
    }

    private static ChannelException Closed() => new(ChannelError.SessionClosed, ErrorClass.Refused, "the channel is closed");

    private void MoveTo(ChannelState state)
    {
        if (!IsClosed)
        {
            State = state;
            Moved(state);
        }
    }

    private void ResetReady()
    {
        if (_ready.Task.IsCompleted && !IsClosed)
        {
            _ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
