using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Links;

/// <summary>The frames that a link sends by itself, ahead of the session's: HELLO, HEARTBEAT, ACK, CREDIT, GOAWAY; and its timers.</summary>
internal sealed partial class Link
{
    /// <summary>A HELLO that proves nothing is answered at most this often, so that two ends cannot storm each other.</summary>
    private const long MinHelloGap = 50_000;
    /// <summary>Room kept at the end of the buffer for a GOAWAY.</summary>
    private const int GoAwayRoom = FrameHeader.Size + 4 + GoAway.MaxText;

    private readonly byte[] _output = new byte[1024];
    private int _outputStart;
    private int _outputEnd;
    private long _nextHello;
    private long _helloRetry;
    private long _lastHello = long.MinValue / 2;
    private UInt128 _helloSentTo;
    private UInt128 _helloSentNonce;
    private long _nextHeartbeat = Never;
    private long _peerSentAt;
    private long _peerSentReceivedAt;
    private StateWord _state;
    private DateTimeOffset? _until;
    private ushort _detail;

    /// <summary>The negotiated protocol version.</summary>
    public int Version { get; private set; }

    /// <summary>What the next heartbeats say; the first is sent at once.</summary>
    public void SetHeartbeat(StateWord state, DateTimeOffset? until, ushort detail, long now)
    {
        (_state, _until, _detail) = (state, until, detail);
        if (_nextHeartbeat != Never)
        {
            _nextHeartbeat = now;
        }
    }

    /// <summary>Drops the link: a GOAWAY is the last that it sends.</summary>
    public void Fail(ChannelError code, string text, bool endsSession = false)
    {
        if (Fault is not null)
        {
            return;
        }

        if (!IsEstablished && _peerEpoch != 0 && _outputEnd + Hello.Size + FrameHeader.Size + GoAwayRoom <= _output.Length)
        {
            // A peer that has no HELLO of this link would skip the GOAWAY unread.
            WriteHello(_lastHello);
        }

        Fault = new LinkFault(code, text);
        Span<byte> payload = stackalloc byte[4 + GoAway.MaxText];
        var length = GoAway.Write(payload, code, endsSession, text);
        _outputEnd += FrameHeader.WriteFrame(_output.AsSpan(_outputEnd), FrameType.GoAway, DataFlags.None, 0, 0, payload[..length]);
    }

    /// <summary>Drops the link without a GOAWAY: the peer has sent one, or cannot receive.</summary>
    public void FailSilently(ChannelError code, string text) => Fault ??= new LinkFault(code, text);

    /// <summary>The link's own bytes to send now.</summary>
    public ReadOnlyMemory<byte> Output(long now)
    {
        if (_outputStart == _outputEnd && Fault is null)
        {
            _outputStart = _outputEnd = 0;
            Fill(now);
        }

        return _output.AsMemory(_outputStart, _outputEnd - _outputStart);
    }

    public void AdvanceOutput(int count) => _outputStart += count;

    /// <summary>When <see cref="Tick"/> or <see cref="Output"/> has something to do.</summary>
    public long NextDeadline
    {
        get
        {
            if (Fault is not null)
            {
                return Never;
            }

            var next = Math.Min(_nextHello, _nextProbe);
            return Math.Min(next, IsEstablished ? Math.Min(_nextHeartbeat, _lastHeard + _livenessTimeout) : _establishBy);
        }
    }

    /// <summary>When <see cref="Tick"/> has something to do, apart from sending.</summary>
    public long NextDeadlineWhileSending =>
        Fault is not null ? Never : Math.Min(_nextProbe, IsEstablished ? _lastHeard + _livenessTimeout : _establishBy);

    public void Tick(long now)
    {
        if (IsEstablished && now >= _lastHeard + _livenessTimeout)
        {
            Fail(ChannelError.PeerSilent, $"nothing was heard from the peer for {_livenessTimeout / 1000} ms");
        }

        if (!IsEstablished && now >= _establishBy)
        {
            var seconds = _options.HandshakeTimeout.TotalSeconds;
            Fail(ChannelError.NoHello, _peerEpoch == 0
                ? $"no HELLO came within {seconds} s; is there an agent at the other end?"
                : $"the peer said HELLO and did not end the handshake within {seconds} s");
        }

        if (now >= _nextProbe)
        {
            // The caller presents the incomplete frame's bytes again after a tick.
            _probeDue = true;
            _nextProbe = now + Microseconds(_options.StallProbe);
        }
    }

    /// <summary>Time spent in not reading by our own choice does not count as the peer's silence.</summary>
    public void ForgiveSilence(long until) => _lastHeard = Math.Max(_lastHeard, until);

    private void Fill(long now)
    {
        if (now >= _nextHello)
        {
            WriteHello(now);
        }

        if (!IsEstablished)
        {
            return;
        }

        if (now >= _nextHeartbeat)
        {
            Span<byte> payload = stackalloc byte[HeartbeatCodec.Size];
            var echo = _peerSentAt == 0 ? 0 : _peerSentAt + (now - _peerSentReceivedAt);
            HeartbeatCodec.Write(payload, _state, _until, _detail, now, echo);
            _outputEnd += FrameHeader.WriteFrame(_output.AsSpan(_outputEnd), FrameType.Heartbeat, DataFlags.None, 0, 0, payload);
            _nextHeartbeat = now + Microseconds(_options.HeartbeatInterval);
        }

        _outputEnd += _owner.WriteControlFrames(_output.AsSpan(_outputEnd, _output.Length - GoAwayRoom - _outputEnd), now);
    }

    private void WriteHello(long now)
    {
        var hello = NewHello();
        Span<byte> payload = stackalloc byte[Hello.Size];
        hello.Write(payload);
        _outputEnd += FrameHeader.WriteFrame(_output.AsSpan(_outputEnd), FrameType.Hello, DataFlags.None, 0, Hello.MarkerSequence, payload);
        _lastHello = now;
        (_helloSentTo, _helloSentNonce) = (_peerEpoch, hello.Nonce);
        _nextHello = IsEstablished ? Never : now + _helloRetry;
        _helloRetry = Math.Min(_helloRetry * 2, Microseconds(_options.HelloRetryMax));
    }

    private Hello NewHello()
    {
        var hello = new Hello
        {
            MinVersion = _options.MinVersion,
            MaxVersion = _options.MaxVersion,
            Role = _role,
            IsEstablished = IsEstablished,
            MaxFrame = _options.MaxFrame,
            Epoch = _epoch,
            Echo = _peerEpoch,
            HeartbeatInterval = (int)_options.HeartbeatInterval.TotalMilliseconds,
        };
        _owner.FillHello(ref hello);
        return hello;
    }

    private UInt128 OwnNonce() => NewHello().Nonce;

    private void OnHeartbeatFrame(ReadOnlySpan<byte> untrustedPayload, long now)
    {
        if (!HeartbeatCodec.TryRead(untrustedPayload, now, out var heartbeat, out var peerSent))
        {
            Fail(ChannelError.MalformedFrame, "a HEARTBEAT that cannot be read");
            return;
        }

        (_peerSentAt, _peerSentReceivedAt) = (peerSent, now);
        _owner.OnHeartbeat(heartbeat);
    }
}
