using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;

namespace ChannelSdk.Protocol.Sessions;

/// <summary>Which two halves belong together, what a link resumes, and how a session ends (PROTOCOL.md section 4).</summary>
public sealed partial class Session
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
        hello.NextExpected = (uint)_sequence.Next;
        hello.Capabilities = ChannelCapabilities.Offered;
        hello.StreamCredit = _options.StreamWindow;
        hello.MaxStreams = _options.MaxStreams;
        hello.SessionCredit = _credit.SessionLimit;
        hello.Chain = _peerNonce == 0 ? 0 : _sequence.Chain;
    }

    Pairing ILinkOwner.Pair(in Hello hello, long now)
    {
        if ((hello.Capabilities & ChannelCapabilities.Offered) != ChannelCapabilities.Offered)
        {
            _link!.Fail(ChannelError.Unsupported, $"the peer's capabilities are {hello.Capabilities:x}; protocol 1 needs resume and rpc ({ChannelCapabilities.Offered:x})");
            return Pairing.Refused;
        }

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

        if (hello.PeerNonce != 0 && hello.Chain != FrameChain.Seed(_nonce, hello.Nonce))
        {
            // The peer has gone on with this half; this is a copy of it that knows nothing of that.
            Lose(ChannelError.SessionLost, "the peer has a session with this side that this side does not know (restored from an older snapshot?)");
            return Pairing.Again;
        }

        _peerNonce = hello.Nonce;
        _peerIsPaired = hello.PeerNonce != 0;
        _log.Chain = FrameChain.Seed(_nonce, _peerNonce);
        _sequence.Begin(_log.Chain);
        (_peerStreamCredit, _peerMaxFrame) = (hello.StreamCredit, hello.MaxFrame);
        ApplyLimits(hello);
        _sendSessionLimit = hello.SessionCredit;
        return Pairing.Accepted;
    }

    private Pairing Resume(in Hello hello)
    {
        if (hello.LinkCount - _peerLinkCount > int.MaxValue || (hello.LinkCount == _peerLinkCount && _wasEstablished && hello.Epoch != _acceptedEpoch))
        {
            _link!.Fail(ChannelError.StaleSession, "this session has gone on elsewhere; a copy of it (a clone or an older snapshot) cannot resume it", endsSession: true);
            return Pairing.Refused;
        }

        if (!HasOurHistory(hello) || !_log.Acknowledge(hello.NextExpected))
        {
            Lose(ChannelError.SessionLost, "the peer does not have the state that this side would resume (restored from an older snapshot?)");
            return Pairing.Again;
        }

        if (hello.MaxFrame != _peerMaxFrame || hello.StreamCredit != _peerStreamCredit)
        {
            Lose(ChannelError.SessionLost, "the peer's largest frame or initial credit is not what its session began with");
            return Pairing.Again;
        }

        _peerIsPaired |= hello.PeerNonce != 0;
        ApplyLimits(hello);
        RaiseSessionLimit(hello.SessionCredit);
        return Pairing.Accepted;
    }

    /// <summary>
    /// Whether the peer's half is the one that this half was paired with. A half that says it was never paired counts only
    /// while nothing has shown that it was, and has then received nothing.
    /// </summary>
    private bool HasOurHistory(in Hello hello) => hello.PeerNonce == 0
        ? !_peerIsPaired && hello.NextExpected == 0
        : hello.PeerNonce == _nonce && _log.Matches(hello.NextExpected, hello.Chain);

    private void ApplyLimits(in Hello hello)
    {
        (_acceptedEpoch, _peerLinkCount) = (hello.Epoch, hello.LinkCount);
        _peerMaxStreams = hello.MaxStreams;
        Capabilities = hello.Capabilities & ChannelCapabilities.Offered;
    }

    /// <summary>The peer's epoch that was accepted on this side's present link, or 0: there an equal link count is a repetition and not a copy's.</summary>
    private UInt128 _acceptedEpoch;
    /// <summary>The peer has shown that its half is paired with ours.</summary>
    private bool _peerIsPaired;

    void ILinkOwner.OnLinkEstablished(long now)
    {
        var resumed = _wasEstablished;
        _wasEstablished = true;
        _linkLostAt = Link.Never;
        _sequence.OnEstablished();
        if (resumed)
        {
            Reannounce();
        }

        _events.OnEstablished(resumed);
    }

    bool ILinkOwner.TryRetransmit()
    {
        if (!_log.AtFrameBoundary || _loan == Loan.Log)
        {
            return false;
        }

        _log.Rewind();
        Reannounce();
        return true;
    }

    /// <summary>CREDIT and ACK frames may have been lost with a link.</summary>
    private void Reannounce()
    {
        _credit.Reannounce(_streams.Values);
        _sequence.Reannounce();
    }

    void ILinkOwner.OnPeerRestarted() => _linkCount++;

    void ILinkOwner.OnLinkRestarted(long now)
    {
        _log.Rewind();
        NoteLinkLost(wasUp: true, ChannelError.LinkLost, "the peer restarted the link", now);
    }

    bool ILinkOwner.MayReadOn(long now) => _limiter!.TryChargeLinkFrame(now);

    void ILinkOwner.OnHeartbeat(in Heartbeat heartbeat)
    {
        _peerIsPaired = true;
        _events.OnPeerHeartbeat(heartbeat);
    }

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
        if (wasUp)
        {
            if (_wasEstablished)
            {
                _linkLostAt = now;
            }

            _events.OnLinkLost(error, text);
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
        _refusedAt = null;
        _streams.Clear();
        _sequence.Restart();
        _credit.Restart();
        (_sendSession, _sendSessionLimit) = (0, 0);
        (_idsHere, _idsThere) = (default, default);
        Array.Clear(_openedThere);
        _nonce = _nonceSource();
        (_peerNonce, _acceptedEpoch, _peerIsPaired) = (0, 0, false);
        Capabilities = 0;
        if (wasEstablished)
        {
            _events.OnSessionLost(code, text);
        }
    }
}
