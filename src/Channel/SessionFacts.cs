namespace ChannelSdk.Channels;

/// <summary>What a channel's status tells of its session and of the bytes on its links.</summary>
/// <param name="SessionId">The session's number; 0 before the first handshake.</param>
/// <param name="Version">Negotiated protocol version; 0 before the first handshake.</param>
/// <param name="Capabilities">Those that both sides have.</param>
/// <param name="BytesIn">Bytes received on all links.</param>
/// <param name="BytesOut">Bytes sent on all links.</param>
/// <param name="ReceivePausedUntil">Until when the link is not read, in microseconds of the monotonic clock; a time that has passed while it is.</param>
/// <param name="ReceivePauses">How often it was not read for a time.</param>
/// <param name="HeartbeatAt">When the peer's heartbeat came that said nothing new, in microseconds of the monotonic clock; 0 for never.</param>
/// <param name="RoundTrip">Microseconds that it has measured; 0 for none.</param>
internal readonly record struct SessionFacts(
    UInt128 SessionId, int Version, ulong Capabilities, long BytesIn, long BytesOut, long ReceivePausedUntil, long ReceivePauses, long HeartbeatAt = 0, long RoundTrip = 0);
