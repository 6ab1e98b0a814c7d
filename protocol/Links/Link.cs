using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Links;

/// <summary>
/// One byte stream to the peer, from its first byte to its last: handshake, framing, heartbeat. Made for every
/// link, so nothing of a former one can leak into it. This file finds and checks frames; sending is in Link.Output.cs.
/// </summary>
/// <remarks>
/// A HELLO proves that it is an answer to this link by echoing this link's epoch. Until then all that comes may be
/// left-over bytes of a former link, so it is skipped, and nothing is decided on it.
/// </remarks>
internal sealed partial class Link
{
    private readonly SessionOptions _options;
    private readonly PeerRole _role;
    private readonly ILinkOwner _owner;
    private readonly UInt128 _epoch;
    private UInt128 _peerEpoch;
    private UInt128 _peerNonce;
    private long _skipped;
    private long _nextProbe = Never;
    private bool _probeDue;
    private long _lastHeard;
    private long _establishBy;
    private long _livenessTimeout;

    public const long Never = long.MaxValue;

    public Link(SessionOptions options, PeerRole role, ILinkOwner owner, UInt128 epoch, long now)
    {
        _options = options;
        _role = role;
        _owner = owner;
        _epoch = epoch;
        _helloRetry = Microseconds(options.HelloRetry);
        _nextHello = now;
        _establishBy = now + Microseconds(options.HandshakeTimeout);
    }

    /// <summary>The handshake is done and frames flow.</summary>
    public bool IsEstablished { get; private set; }

    /// <summary>Why the link must be dropped, once it must.</summary>
    public LinkFault? Fault { get; private set; }

    /// <summary>Takes what it can from the bytes and returns how many.</summary>
    public int Receive(ReadOnlySpan<byte> untrustedBytes, long now)
    {
        var consumed = 0;
        while (Fault is null && consumed < untrustedBytes.Length)
        {
            var rest = untrustedBytes[consumed..];
            var step = IsEstablished ? ReadFrame(rest, now) : SkipToHello(rest, now);
            if (step == 0 && !_restarted)
            {
                break;
            }

            _restarted = false;
            consumed += step;
            if (_isLinkFrame && !_owner.MayReadOn(now))
            {
                _isLinkFrame = false;
                break;
            }

            _isLinkFrame = false;
        }

        return consumed;
    }

    /// <summary>Whether the last frame was one of the link's own, which have a rate limit of their own.</summary>
    private bool _isLinkFrame;
    private int _frames;

    /// <summary>Frames that came since the last call.</summary>
    public int ReadFrameCount()
    {
        var count = _frames;
        _frames = 0;
        return count;
    }

    /// <summary>Set when <see cref="ReadFrame"/> went back to the handshake with the bytes still to be read.</summary>
    private bool _restarted;

    private int SkipToHello(ReadOnlySpan<byte> untrusted, long now)
    {
        var at = untrusted.IndexOf(Hello.Marker);
        if (at != 0)
        {
            // The last bytes may be the beginning of a marker.
            return Skip(at > 0 ? at : Math.Max(0, untrusted.Length - Hello.Marker.Length + 1));
        }

        var size = HelloFrame.TryRead(untrusted, out var hello);
        if (size > 0)
        {
            (_isLinkFrame, _frames) = (true, _frames + 1);
            ProcessHello(hello, now);
            return size;
        }

        return size < 0 ? Skip(1) : 0;
    }

    private int Skip(int count)
    {
        _skipped += count;
        if (_skipped > _options.MaxBytesBeforeHello)
        {
            Fail(ChannelError.NoHello, $"{_skipped} bytes came without a HELLO among them; is there another program at the other end?");
        }

        return count;
    }

    private void ProcessHello(in Hello hello, long now)
    {
        if (hello.Role == _role)
        {
            Fail(ChannelError.RoleConflict, $"both ends say that they are the {_role}; is the endpoint connected to itself or to a second {_role}?");
            return;
        }

        if (hello.MinVersion > _options.MaxVersion || hello.MaxVersion < _options.MinVersion)
        {
            Fail(ChannelError.VersionMismatch,
                $"the peer speaks protocol {hello.MinVersion} to {hello.MaxVersion}, this side {_options.MinVersion} to {_options.MaxVersion}; update the older one");
            return;
        }

        var problem = hello.FindProblem();
        if (problem.Length > 0)
        {
            Fail(ChannelError.MalformedFrame, $"a HELLO with {problem}");
            return;
        }

        var isNewEpoch = hello.Epoch != _peerEpoch;
        if (isNewEpoch && _peerEpoch != 0)
        {
            _owner.OnPeerRestarted();
        }

        _peerEpoch = hello.Epoch;
        _peerNonce = hello.Nonce;
        if (hello.Echo != _epoch)
        {
            // Not proven fresh. Tell the peer our epoch; if it is a repeated one, its own retry brings the next chance.
            if (isNewEpoch || now - _lastHello > MinHelloGap)
            {
                _nextHello = now;
            }

            return;
        }

        switch (_owner.Pair(hello, now))
        {
            case Pairing.Again:
                _nextHello = now;
                break;
            case Pairing.Accepted:
                Establish(hello, now);
                break;
        }
    }

    private void Establish(in Hello hello, long now)
    {
        IsEstablished = true;
        Version = Math.Min(hello.MaxVersion, _options.MaxVersion);
        // The peer must have this side's epoch and nonce before any frame of it.
        _nextHello = _helloSentTo == _peerEpoch && _helloSentNonce == OwnNonce() ? Never : now;
        _livenessTimeout = Math.Max(Microseconds(_options.LivenessTimeout), 3000L * hello.HeartbeatInterval);
        _lastHeard = now;
        _nextHeartbeat = now;
        _nextProbe = Never;
        _owner.OnLinkEstablished(now);
    }

    private int ReadFrame(ReadOnlySpan<byte> untrusted, long now)
    {
        var status = FrameHeader.TryRead(untrusted, out var header);
        if (status == HeaderStatus.NeedMore)
        {
            return Incomplete(untrusted, now);
        }

        if (status == HeaderStatus.Corrupt)
        {
            return ResyncOrFail(untrusted, now, ChannelError.CorruptFrame, "a frame header does not match its checksum");
        }

        if (status == HeaderStatus.OtherVersion)
        {
            Fail(ChannelError.VersionMismatch, $"a frame of version {untrusted[0]} came, version {Version} was agreed");
            return 0;
        }

        if (header.Length > _options.MaxFrame)
        {
            return ResyncOrFail(untrusted, now, ChannelError.OversizeFrame, $"a frame of {header.Length} bytes, allowed are {_options.MaxFrame}");
        }

        var size = FrameHeader.Size + header.Length;
        if (untrusted.Length < size)
        {
            return Incomplete(untrusted, now);
        }

        _nextProbe = Never;
        var payload = untrusted.Slice(FrameHeader.Size, header.Length);
        if (header.PayloadCrc != (payload.IsEmpty ? 0 : Crc32C.Compute(payload)))
        {
            return ResyncOrFail(untrusted, now, ChannelError.CorruptFrame, "a frame's payload does not match its checksum");
        }

        _lastHeard = now;
        _frames++;
        _isLinkFrame = header.Type is FrameType.Hello or FrameType.Heartbeat or FrameType.GoAway;
        if (_isLinkFrame && (header.Flags != DataFlags.None || header.Stream != 0 || header.Sequence != (header.Type == FrameType.Hello ? Hello.MarkerSequence : 0)))
        {
            Fail(ChannelError.MalformedFrame, $"{header.Type} frame with flags {(ushort)header.Flags}, stream {header.Stream} and sequence {header.Sequence:x}");
            return size;
        }

        switch (header.Type)
        {
            case FrameType.Hello:
                return HelloWhileEstablished(untrusted, size, now);
            case FrameType.Heartbeat:
                OnHeartbeatFrame(payload, now);
                break;
            case FrameType.GoAway when GoAway.TryRead(payload, out var code, out var endsSession, out var text):
                _owner.OnGoAway(code, endsSession, text);
                break;
            case FrameType.GoAway:
                Fail(ChannelError.MalformedFrame, "a GOAWAY that cannot be read");
                break;
            default:
                _owner.OnFrame(header, payload, now);
                break;
        }

        return size;
    }

    private int HelloWhileEstablished(ReadOnlySpan<byte> untrusted, int size, long now)
    {
        if (HelloFrame.TryRead(untrusted, out var hello) != size)
        {
            Fail(ChannelError.MalformedFrame, $"a HELLO of {size - FrameHeader.Size} bytes");
            return size;
        }

        if (hello.Epoch == _peerEpoch && hello.Nonce == _peerNonce)
        {
            // A repeated one. While the peer's handshake is not done it has missed our answer and thrown away all behind it.
            if (!hello.IsEstablished && now - _lastHello > MinHelloGap && _owner.TryRetransmit())
            {
                _nextHello = now;
            }

            return size;
        }

        Restart(now);
        return 0;
    }

    /// <summary>A frame that is not complete yet. After a while its bytes may hide the HELLO of a peer that restarted.</summary>
    private int Incomplete(ReadOnlySpan<byte> untrusted, long now)
    {
        if (_nextProbe == Never)
        {
            _nextProbe = now + Microseconds(_options.StallProbe);
        }

        if (!_probeDue)
        {
            return 0;
        }

        _probeDue = false;
        return FindNewHello(untrusted, now);
    }

    private int ResyncOrFail(ReadOnlySpan<byte> untrusted, long now, ChannelError code, string text)
    {
        var skipped = FindNewHello(untrusted, now);
        if (skipped == 0)
        {
            Fail(code, text);
        }

        return skipped;
    }

    /// <summary>
    /// Looks behind the first byte for a whole HELLO of another epoch that echoes this link's, and goes back to the handshake
    /// if there is one. The bytes may belong to a message: a HELLO that does not echo this link's epoch proves nothing, and is only
    /// answered with it, as a peer that restarted needs it.
    /// </summary>
    private int FindNewHello(ReadOnlySpan<byte> untrusted, long now)
    {
        for (var from = 1; from < untrusted.Length;)
        {
            var at = untrusted[from..].IndexOf(Hello.Marker);
            if (at < 0)
            {
                break;
            }

            if (HelloFrame.TryRead(untrusted[(from + at)..], out var hello) > 0 && hello.Epoch != _peerEpoch)
            {
                if (hello.Echo == _epoch)
                {
                    Restart(now);
                    return from + at;
                }

                _nextHello = Math.Min(_nextHello, Math.Max(now, _lastHello + MinHelloGap));
            }

            from += at + 1;
        }

        return 0;
    }

    private void Restart(long now)
    {
        IsEstablished = false;
        _restarted = true;
        _nextProbe = Never;
        _skipped = 0;
        _establishBy = now + Microseconds(_options.HandshakeTimeout);
        _helloRetry = Microseconds(_options.HelloRetry);
        _owner.OnLinkRestarted(now);
    }

    private static long Microseconds(TimeSpan time) => (long)time.TotalMicroseconds;
}
