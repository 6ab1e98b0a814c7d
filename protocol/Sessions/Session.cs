using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.State;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>
/// The resumable channel between two peers: ordered, exactly-once streams over one link after another. Sans-I/O: bytes
/// and time (microseconds of a monotonic clock) come in by argument, bytes and events go out. Not thread-safe; its owner
/// serializes all calls. The parts: this file (life cycle and streams), Session.Pairing.cs (handshake and resume),
/// Session.Receive.cs (the peer's frames) and Session.Output.cs (what is sent next).
/// </summary>
public sealed partial class Session : ILinkOwner
{
    /// <summary>Most bytes of an OPEN frame's header.</summary>
    public const int MaxOpenHeader = 1024;

    private readonly PeerRole _role;
    private readonly SessionOptions _options;
    private readonly ISessionHandler _handler;
    private readonly ISessionEvents _events;
    private readonly Func<UInt128> _nonceSource;
    private readonly ReplayLog _log;
    private readonly ReadyQueues _ready = new();
    private readonly InboundSequence _sequence;
    private readonly InboundCredit _credit;
    private readonly SessionKeeper? _keeper;
    private readonly Dictionary<uint, SessionStream> _streams = [];
    private readonly Stack<SessionStream> _recycled = new();
    private Link? _link;
    private StateWord _state = StateWord.Starting;
    private DateTimeOffset? _until;
    private ushort _detail;
    private long _linkLostAt = Link.Never;
    private bool _closed;

    /// <summary>Makes a session without a link.</summary>
    /// <param name="role">This side.</param>
    /// <param name="options">Bounds and times.</param>
    /// <param name="handler">Handles the streams.</param>
    /// <param name="events">Receives the events of the session and its links.</param>
    /// <param name="nonceSource">Random numbers for session and link names.</param>
    /// <param name="keeper">What keeps its state so that another process can go on with it, or null.</param>
    /// <exception cref="ChannelException">An option is out of range (<see cref="ChannelError.BadConfiguration"/>).</exception>
    public Session(PeerRole role, SessionOptions options, ISessionHandler handler, ISessionEvents events, Func<UInt128> nonceSource, SessionKeeper? keeper = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentNullException.ThrowIfNull(events);
        ArgumentNullException.ThrowIfNull(nonceSource);
        options.Validate();
        (_role, _options, _handler, _events, _nonceSource, _keeper) = (role, options, handler, events, nonceSource, keeper);
        _log = new ReplayLog(role, keeper?.Buffers ?? BufferPool.Shared, options.WipeMemory);
        (_sequence, _credit) = (new InboundSequence(options), new InboundCredit(options, keeper));
        _nonce = nonceSource();
        _peerMaxStreams = options.MaxStreams;
        _peerMaxFrame = SessionOptions.SmallestMaxFrame;
    }

    /// <summary>The handshake on the present link is done.</summary>
    public bool IsEstablished => _link is { IsEstablished: true, Fault: null };

    /// <summary>Set when the link must be dropped: send what <see cref="GetOutput"/> still has, abort the link, call <see cref="LinkDown"/>.</summary>
    public LinkFault? Fault => _link?.Fault;

    /// <summary>Both halves' nonces combined: the same number on both sides; 0 before the first handshake.</summary>
    public UInt128 SessionId => _peerNonce == 0 ? 0 : _nonce ^ _peerNonce;

    /// <summary>Negotiated protocol version, 0 before the first handshake.</summary>
    public int Version => _link?.Version ?? 0;

    /// <summary>The capabilities that both sides offer.</summary>
    public ulong Capabilities { get; private set; }

    /// <summary>Bytes kept for a resume: frames that the peer has not acknowledged.</summary>
    public int HeldBytes => _log.Held;

    /// <summary>A byte stream to the peer is there. Nothing is known of the bytes that will come out of it first.</summary>
    public void LinkUp(long now)
    {
        EndLoan(0);
        _linkCount++;
        _acceptedEpoch = 0;
        _log.Rewind();
        _limiter ??= new InboundLimiter(_options, now);
        _link = new Link(_options, _role, this, _nonceSource(), now);
        _link.SetHeartbeat(_state, _until, _detail, now);
    }

    /// <summary>The byte stream is gone. No send may be under way any more.</summary>
    public void LinkDown(ChannelError error, string text, long now)
    {
        ArgumentNullException.ThrowIfNull(text);
        var wasUp = _link is { IsEstablished: true };
        EndLoan(0);
        _link = null;
        NoteLinkLost(wasUp, error, text, now);
    }

    /// <summary>Rate limit: the link must not be read before this time; 0 = read.</summary>
    public long ReceivePausedUntil { get; private set; }

    /// <summary>How often the peer sent more than its rate limits allow, so that the link was not read for a time.</summary>
    public long ReceivePauses { get; private set; }

    /// <summary>When <see cref="Tick"/> must be called; <see cref="long.MaxValue"/> for never.</summary>
    public long NextDeadline
    {
        get
        {
            // While a send is under way nothing else can be sent, however long it is due.
            var isSending = _loan != Loan.None;
            var next = (isSending ? _link?.NextDeadlineWhileSending : _link?.NextDeadline) ?? Link.Never;
            if (IsEstablished)
            {
                return isSending ? next : Math.Min(next, Math.Min(_sequence.Due, _credit.Due));
            }

            return _linkLostAt == Link.Never ? next : Math.Min(next, _linkLostAt + (long)_options.ResumeTimeout.TotalMicroseconds);
        }
    }

    /// <summary>Does what is due by time. <see cref="GetOutput"/> may have new bytes afterwards.</summary>
    public void Tick(long now)
    {
        _link?.Tick(now);
        _log.ReleaseIdleMemory();
        if (!IsEstablished && _linkLostAt != Link.Never && now >= _linkLostAt + (long)_options.ResumeTimeout.TotalMicroseconds)
        {
            Lose(ChannelError.SessionLost, $"no link came back within {_options.ResumeTimeout.TotalSeconds:F0} s");
        }
    }

    /// <summary>What this side's heartbeats say from now on.</summary>
    public void SetHeartbeat(StateWord state, DateTimeOffset? until, ushort detail, long now)
    {
        (_state, _until, _detail) = (state, until, detail);
        _link?.SetHeartbeat(state, until, detail, now);
    }

    /// <summary>Ends the session for good: the peer is told, every stream is reset.</summary>
    public void Close(ChannelError code, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_closed)
        {
            return;
        }

        _link?.Fail(code, text, endsSession: true);
        Lose(code, text);
        _closed = true;
    }

    /// <summary>Opens a stream. Allowed while the link is down: it is opened when a link is there.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.TooManyStreams"/> (retry) or <see cref="ChannelError.SessionClosed"/>.</exception>
    public SessionStream Open(StreamClass streamClass, ReadOnlySpan<byte> header, bool fin, object? state)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(header.Length, MaxOpenHeader, nameof(header));
        if (_closed)
        {
            throw new ChannelException(ChannelError.SessionClosed, ErrorClass.Refused, "the channel is closed");
        }

        if (_openedHere[(int)streamClass] >= _peerMaxStreams[streamClass])
        {
            throw new ChannelException(ChannelError.TooManyStreams, ErrorClass.Retry,
                $"{_peerMaxStreams[streamClass]} streams of class {streamClass} are open, the peer allows no more");
        }

        TrimQueues();
        var stream = NewStream(streamClass, localOpened: true, state);
        _openedHere[(int)streamClass]++;
        // Without a link it stays out of the log: given up before there is one, it leaves nothing behind, and it outlives the session.
        if (IsEstablished && CanProduceAtOnce(streamClass) && HasRoom(streamClass, header.Length))
        {
            ProduceOpen(stream, header, fin);
        }
        else
        {
            stream.PendingHeader = header.ToArray();
            stream.PendingHeaderFin = stream.FinGiven = fin;
            _ready.Add(stream);
        }

        return stream;
    }

    /// <summary>
    /// Gives a message. True: it was taken and its memory is free. False: it is pending, and
    /// <see cref="ISessionHandler.OnWriteDone"/> follows. One write at a time on a stream.
    /// </summary>
    public bool Write(SessionStream stream, ReadOnlyMemory<byte> message, DataFlags flags)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanWrite)
        {
            throw new InvalidOperationException("a write is pending on this stream, or its direction has ended");
        }

        _keeper?.OnChanged(stream);
        (stream.Pending, stream.PendingFlags, stream.HasPending) = (message, flags & (DataFlags.Fin | DataFlags.Trailer), true);
        stream.FinGiven = (flags & DataFlags.Fin) != 0;
        if (!stream.NeedsOpen && CanProduceAtOnce(stream.Class))
        {
            // The rest of a long message is produced as it is sent.
            while (IsBelowOutputBatch && ProduceData(stream) == Progress.Made)
            {
            }

            if (!stream.HasPending)
            {
                CloseIfDone(stream);
                return true;
            }
        }

        _ready.Add(stream);
        return false;
    }

    /// <summary>Gives credit back for <paramref name="frames"/> calls of <see cref="ISessionHandler.OnData"/> of so many bytes together.</summary>
    public void Consume(SessionStream stream, int bytes, int frames = 1)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.IsDead)
        {
            return;
        }

        _keeper?.OnChanged(stream);
        _credit.Consume(stream, bytes + frames * FrameHeader.Size);
        CloseIfDone(stream);
    }

    /// <summary>Ends the stream in both directions at once.</summary>
    public void Reset(SessionStream stream, ChannelError code)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (stream.IsDead)
        {
            return;
        }

        if (stream.Id != 0)
        {
            ProduceEnd(stream, code);
        }

        Kill(stream);
    }

    private SessionStream NewStream(StreamClass streamClass, bool localOpened, object? state)
    {
        var stream = _recycled.TryPop(out var recycled) ? recycled : new SessionStream();
        stream.Reuse(streamClass, localOpened, state);
        _keeper?.OnChanged(stream);
        return stream;
    }

    private void CloseIfDone(SessionStream stream)
    {
        if (stream is { LocalDone: true, RemoteDone: true, IsDead: false } && stream.Consumed == stream.ReceiveOffset)
        {
            Kill(stream);
            _handler.OnClosed(stream);
            if (_recycled.Count < 64 && !stream.IsQueued && !stream.CreditQueued)
            {
                stream.State = null;
                _recycled.Push(stream);
            }
        }
    }

    private void Kill(SessionStream stream)
    {
        stream.IsDead = true;
        stream.HasPending = false;
        stream.Pending = default;
        (stream.LocalOpened ? _openedHere : _openedThere)[(int)stream.Class]--;
        stream.MayHaveRun = stream.Id != 0 && stream.FirstSequence < _log.Exposed;
        if (stream.Id != 0)
        {
            _streams.Remove(stream.Id);
        }

        _ready.Dead += stream.IsQueued ? 1 : 0;
        _credit.OnEnd(stream);
        _keeper?.OnEnded(stream);
    }
}
