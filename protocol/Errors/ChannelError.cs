namespace ChannelSdk.Protocol.Errors;

/// <summary>
/// Stable numeric codes of everything that can go wrong (PROTOCOL.md section 9). They travel in GOAWAY, RESET and
/// status messages, so a number is never reused. 1xx: link, 2xx: session, 3xx: stream, 4xx: service,
/// 5xx: transport, 6xx: configuration.
/// </summary>
public enum ChannelError : ushort
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>A frame header failed its CRC32C, or a payload its own.</summary>
    CorruptFrame = 100,
    /// <summary>A frame says it is longer than the receiver accepts.</summary>
    OversizeFrame = 101,
    /// <summary>A frame type or flag that the negotiated version does not know.</summary>
    UnknownFrame = 102,
    /// <summary>A frame of a known type with a content that is not allowed.</summary>
    MalformedFrame = 103,
    /// <summary>The two sides have no protocol version in common.</summary>
    VersionMismatch = 104,
    /// <summary>The peer sent no valid HELLO within the bytes or the time that it is given.</summary>
    NoHello = 105,
    /// <summary>Nothing was heard from the peer for the liveness time.</summary>
    PeerSilent = 106,
    /// <summary>The transport closed or failed under the link.</summary>
    LinkLost = 107,
    /// <summary>Both sides claim the same role (guest or host).</summary>
    RoleConflict = 108,

    /// <summary>A sequenced frame came out of sequence.</summary>
    SequenceGap = 200,
    /// <summary>An acknowledgement lies outside of what was sent and not yet acknowledged.</summary>
    AckOutOfRange = 201,
    /// <summary>A credit beyond the allowed range.</summary>
    CreditOverflow = 202,
    /// <summary>The peer sent more than it had credit for.</summary>
    CreditExceeded = 203,
    /// <summary>The session could not be resumed: one side no longer has it.</summary>
    SessionLost = 204,
    /// <summary>The session was closed by this side or by the peer.</summary>
    SessionClosed = 205,
    /// <summary>A second copy of this session (a clone or an old snapshot) tried to resume it.</summary>
    StaleSession = 206,

    /// <summary>A stream id that was used before, belongs to the other side, or has no class.</summary>
    BadStreamId = 300,
    /// <summary>The peer has as many streams of that class as it may have.</summary>
    TooManyStreams = 301,
    /// <summary>The stream is closed in the direction that was used.</summary>
    StreamClosed = 302,
    /// <summary>A message is longer than the receiver accepts.</summary>
    MessageTooLarge = 303,
    /// <summary>The stream was cancelled by the side that opened it.</summary>
    Cancelled = 304,
    /// <summary>The receiver of the stream gave up reading it.</summary>
    StreamRefused = 305,

    /// <summary>No such service or method on the peer.</summary>
    UnknownMethod = 400,
    /// <summary>A request that does not decode or has values out of range.</summary>
    InvalidArgument = 401,
    /// <summary>The deadline of the call passed.</summary>
    DeadlineExceeded = 402,
    /// <summary>The peer's policy forbids the call.</summary>
    PermissionDenied = 403,
    /// <summary>The service failed in an unexpected way.</summary>
    Internal = 404,
    /// <summary>The service cannot do it in its present state.</summary>
    FailedPrecondition = 405,
    /// <summary>A limit of the peer is reached; the call did not run.</summary>
    ResourceExhausted = 406,
    /// <summary>The peer cannot do this at all, for instance for lack of a system call or a program.</summary>
    Unsupported = 407,
    /// <summary>What the call names does not exist.</summary>
    NotFound = 408,
    /// <summary>The other half of an operation has ended, or there is none.</summary>
    PeerEnded = 409,

    /// <summary>The endpoint does not exist (no socket, no device).</summary>
    EndpointMissing = 500,
    /// <summary>The endpoint exists and this process may not use it.</summary>
    EndpointDenied = 501,
    /// <summary>The endpoint is in use by another program.</summary>
    EndpointBusy = 502,
    /// <summary>The transport failed in another way.</summary>
    TransportFailed = 503,
    /// <summary>An endpoint URI that cannot be understood.</summary>
    BadEndpointUri = 504,
    /// <summary>The process that works for one instance has ended, or broke the rules between it and this one.</summary>
    WorkerFailed = 505,

    /// <summary>A configuration file or option with an error.</summary>
    BadConfiguration = 600,
}
