using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Frames;

/// <summary>Frame types (PROTOCOL.md section 3). Types with bit 0x10 are sequenced and replayed after a cut.</summary>
internal enum FrameType : byte
{
    Hello = 0x01,
    GoAway = 0x02,
    Heartbeat = 0x03,
    Ack = 0x04,
    Credit = 0x05,
    Open = 0x10,
    Data = 0x11,
    Reset = 0x12,
}

/// <summary>Flags of OPEN and DATA frames; all other bits are zero.</summary>
[Flags]
public enum DataFlags : ushort
{
    /// <summary>No flag.</summary>
    None = 0,
    /// <summary>The message goes on in the next DATA frame of this stream.</summary>
    More = 1,
    /// <summary>The last frame of this direction of the stream.</summary>
    Fin = 2,
    /// <summary>Opaque to the session: rpc marks a status message with it.</summary>
    Trailer = 4,
    /// <summary>OPEN only: the stream was given up before any link had it. Its id is used, and it is never opened.</summary>
    Void = 8,
}
