using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Frames;

namespace ChannelSdk.Protocol.Links;

/// <summary>What a fresh HELLO means for the session.</summary>
internal enum Pairing : byte
{
    /// <summary>The two halves belong together now: the link carries their session.</summary>
    Accepted,
    /// <summary>Not yet; another HELLO of ours tells the peer why.</summary>
    Again,
    /// <summary>The link was failed.</summary>
    Refused,
}

/// <summary>The session above a link.</summary>
internal interface ILinkOwner
{
    /// <summary>Fills what the session knows into a HELLO that is about to be sent.</summary>
    void FillHello(ref Hello hello);

    /// <summary>Decides on a HELLO that is proven to answer to this link.</summary>
    Pairing Pair(in Hello hello, long now);

    /// <summary>The handshake is done.</summary>
    void OnLinkEstablished(long now);

    /// <summary>The peer is on a new link of its own while this side is still on the same: both count it.</summary>
    void OnPeerRestarted();

    /// <summary>The peer has missed the frames of this link: sends them again, if the output is between two frames.</summary>
    bool TryRetransmit();

    /// <summary>The established link ends without the transport noticing; a handshake follows on the same bytes.</summary>
    void OnLinkRestarted(long now);

    /// <summary>A frame other than HELLO, HEARTBEAT and GOAWAY, with its payload checked against its CRC.</summary>
    void OnFrame(in FrameHeader header, ReadOnlySpan<byte> untrustedPayload, long now);

    /// <summary>The peer's heartbeat.</summary>
    void OnHeartbeat(in Heartbeat heartbeat);

    /// <summary>The peer says goodbye to the link or to the session.</summary>
    void OnGoAway(ChannelError code, bool endsSession, string text);

    /// <summary>A HELLO, HEARTBEAT or GOAWAY came. False: the rest of the bytes has to wait.</summary>
    bool MayReadOn(long now);

    /// <summary>Writes due ACK and CREDIT frames and returns their size.</summary>
    int WriteControlFrames(Span<byte> target, long now);
}
