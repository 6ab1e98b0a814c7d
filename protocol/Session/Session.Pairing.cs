namespace ChannelSdk.Protocol;

/// <summary>Which two halves belong together, what a link resumes, and how a session ends (PROTOCOL.md section 4).</summary>
internal sealed partial class Session
{
    private UInt128 _nonce;
    private UInt128 _peerNonce;
    private uint _linkCount;
    private uint _peerLinkCount;
    private bool _wasEstablished;
    private StreamClassValues _peerStreamCredit;
    private StreamClassValues _peerMaxStreams;
    private int _peerMaxFrame;

    void ILinkOwner.FillHello(ref Hello hello)
    {
        hello.Nonce = _nonce;
        hello.PeerNonce = _peerNonce;
        hello.LinkCount = _linkCount;
        hello.NextExpected = (uint)_receiveNext;
        hello.Capabilities = ChannelCapabilities.Offered;
        hello.StreamCredit = _options.StreamWindow;
        hello.MaxStreams = _options.MaxStreams;
        hello.SessionCredit = _receiveSessionLimit;
    }

    Pairing ILinkOwner.Pair(in Hello hello, long now)
    {
        if (_peerNonce != 0 && hello.Nonce != _peerNonce)
        {
            Lose(ChannelError.SessionLost, "the peer has begun a new session (it was restarted, or it gave the old one up)");
        }
        else if (_peerNonce != 0)
        {
            return Resume(hello);
        }

        if (hello.PeerNonce != 0 && hello.PeerNonce != _nonce)
        {
            // The peer still knows our former half. Our nonce in the next HELLO makes it let go.
            return Pairing.Again;
        }

        _peerNonce = hello.Nonce;
        _peerLinkCount = hello.LinkCount;
        TakeLimits(hello);
        _sendSessionLimit = hello.SessionCredit;
        return Pairing.Accepted;
    }

    private Pairing Resume(in Hello hello)
    {
        if (hello.LinkCount - _peerLinkCount > int.MaxValue || (hello.LinkCount == _peerLinkCount && _wasEstablished && !_pairedOnThisLink))
        {
            _link!.Fail(ChannelError.StaleSession, "this session has gone on elsewhere; a copy of it (a clone or an older snapshot) cannot resume it", endsSession: true);
            return Pairing.Refused;
        }

        if ((hello.PeerNonce != 0 && hello.PeerNonce != _nonce) || !_log.Acknowledge(hello.NextExpected))
        {
            Lose(ChannelError.SessionLost, "the peer does not have the state that this side would resume (restored from an older snapshot?)");
            return Pairing.Again;
        }

        _peerLinkCount = hello.LinkCount;
        TakeLimits(hello);
        _sendSessionLimit = Math.Max(_sendSessionLimit, hello.SessionCredit);
        return Pairing.Accepted;
    }

    private void TakeLimits(in Hello hello)
    {
        _peerStreamCredit = hello.StreamCredit;
        _peerMaxStreams = hello.MaxStreams;
        _peerMaxFrame = hello.MaxFrame;
        Capabilities = hello.Capabilities & ChannelCapabilities.Offered;
        _pairedOnThisLink = true;
    }

    /// <summary>A HELLO of the present link was accepted, so an equal link count is its repetition and not a copy's.</summary>
    private bool _pairedOnThisLink;

    void ILinkOwner.OnLinkEstablished(long now)
    {
        var resumed = _wasEstablished;
        _wasEstablished = true;
        _linkLostAt = Link.Never;
        _ackDue = Link.Never;
        if (resumed)
        {
            AnnounceCreditAgain();
        }

        _handler.OnEstablished(resumed);
    }

    bool ILinkOwner.TrySendAgain()
    {
        if (!_log.AtFrameBoundary || _loan == Loan.Log)
        {
            return false;
        }

        _log.Rewind();
        AnnounceCreditAgain();
        return true;
    }

    /// <summary>
    /// CREDIT and ACK frames may have been lost with a link; what they say is absolute, so saying it again does no harm.
    /// Initial credit is not said: the stream's OPEN may still be under way, behind this.
    /// </summary>
    private void AnnounceCreditAgain()
    {
        foreach (var stream in _streams.Values)
        {
            if (!stream.CreditQueued && !stream.RemoteDone && stream.ReceiveLimit > _options.StreamWindow[stream.Class])
            {
                stream.CreditQueued = true;
                _creditQueue.Enqueue(stream);
            }
        }

        (_ackDue, _creditDue) = (0, 0);
    }

    void ILinkOwner.OnPeerBeganAnew() => _linkCount++;

    void ILinkOwner.OnLinkRestarted(long now)
    {
        _log.Rewind();
        NoteLinkLost(wasUp: true, ChannelError.LinkLost, "the peer began the link anew", now);
    }

    bool ILinkOwner.MayReadOn(long now) => _limiter!.TryChargeLinkFrame(now);

    void ILinkOwner.OnHeartbeat(in Heartbeat heartbeat) => _handler.OnPeerHeartbeat(heartbeat);

    void ILinkOwner.OnGoAway(ChannelError code, bool endsSession, string text)
    {
        _link!.FailSilently(code, text.Length == 0 ? "the peer closed the link" : $"the peer closed the link: {text}");
        if (endsSession)
        {
            Lose(code, $"the peer ended the session: {text}");
        }
    }

    private void NoteLinkLost(bool wasUp, ChannelError error, string text, long now)
    {
        _pairedOnThisLink = false;
        if (wasUp)
        {
            if (_wasEstablished)
            {
                _linkLostAt = now;
            }

            _handler.OnLinkLost(error, text);
        }
    }

    /// <summary>A violation that would come again after a resume: the session ends, not only the link.</summary>
    private void FailSession(ChannelError code, string text)
    {
        _link!.Fail(code, text, endsSession: true);
        Lose(code, text);
    }

    /// <summary>The session is gone. Streams that the peer has never heard of stay, and open in the next session.</summary>
    private void Lose(ChannelError code, string text)
    {
        var wasEstablished = _wasEstablished;
        _wasEstablished = false;
        _linkLostAt = Link.Never;
        foreach (var stream in new List<SessionStream>(_streams.Values))
        {
            Kill(stream);
            _handler.OnReset(stream, code);
        }

        _ready.RemoveDead();
        _log.Clear();
        DropDeadCredits();
        _refusedAt = null;
        _streams.Clear();
        (_receiveNext, _unacknowledged, _ackDue, _creditDue) = (0, 0, Link.Never, Link.Never);
        (_receiveSession, _consumedSession, _receiveSessionLimit) = (0, 0, _options.SessionWindow);
        (_sendSession, _sendSessionLimit) = (0, 0);
        (_idsHere, _idsThere) = (default, default);
        Array.Clear(_openedThere);
        _nonce = _nonceSource();
        _peerNonce = 0;
        Capabilities = 0;
        if (wasEstablished)
        {
            _handler.OnSessionLost(code, text);
        }
    }
}
