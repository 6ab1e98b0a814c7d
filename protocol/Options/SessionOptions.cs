using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Protocol.Options;

/// <summary>Every bound and time of a session, in one place. All have defaults that suit a host with many instances.</summary>
public sealed record SessionOptions
{
    /// <summary>The version of the wire protocol that this library speaks.</summary>
    public const byte ProtocolVersion = 1;

    internal const int SmallestMaxFrame = 1024;
    internal const int LargestMaxFrame = 65536;

    /// <summary>No credit limit may be above this, so that sums never overflow.</summary>
    internal const long MaxCreditLimit = 1L << 60;

    /// <summary>Largest payload of a frame that this side accepts, 1,024 to 65,536 bytes.</summary>
    public int MaxFrame { get; init; } = LargestMaxFrame;

    /// <summary>
    /// Most bytes of frames kept until the peer has acknowledged them, 128 KiB to 64 MiB. A sender waits when it is full. An
    /// eighth is for the resets of the peer's streams: a peer that makes them and leaves that many unacknowledged loses its
    /// link, and then its session (ResourceExhausted).
    /// </summary>
    public int ReplayBytes { get; init; } = 1 << 20;

    /// <summary>Produced and not yet sent bytes above which no bulk frame is added: the most that a control message waits behind.</summary>
    public int OutputBatch { get; init; } = 64 << 10;

    /// <summary>Bytes that the peer may have outstanding on one stream, by class, 1 KiB to 256 MiB; a frame costs 24 beside its payload.</summary>
    public StreamClassValues StreamWindow { get; init; } = new(16 << 10, 64 << 10, 1 << 20);

    /// <summary>Streams that the peer may have open at a time, by class, 1 to 65,535 each.</summary>
    public StreamClassValues MaxStreams { get; init; } = new(16, 128, 8);

    /// <summary>Bytes that the peer may have outstanding on all of its rpc and bulk streams together.</summary>
    public long SessionWindow { get; init; } = 16 << 20;

    /// <summary>Time between heartbeats, 10 ms to 60 s.</summary>
    public TimeSpan HeartbeatInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Silence after which a link is given up; at least three of the peer's heartbeat intervals are always allowed.</summary>
    public TimeSpan LivenessTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Received bytes after which an acknowledgement is sent at once.</summary>
    public int AckBytes { get; init; } = 128 << 10;

    /// <summary>Longest time that an acknowledgement waits.</summary>
    public TimeSpan AckDelay { get; init; } = TimeSpan.FromMilliseconds(25);

    /// <summary>First time between two HELLOs while the peer does not answer; doubles up to <see cref="HelloRetryMax"/>.</summary>
    public TimeSpan HelloRetry { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Longest time between two HELLOs.</summary>
    public TimeSpan HelloRetryMax { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a link may be without a finished handshake, 100 ms to 24 h; then it is given up, and a new one is made. It applies
    /// to a peer that says nothing too, as a guest does that still boots: the new link waits for it again.
    /// </summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes without a HELLO in them after which a link is given up (stale bytes of a former link come first on some transports).</summary>
    public int MaxBytesBeforeHello { get; init; } = 16 << 20;

    /// <summary>How long a frame may stay incomplete before the bytes that came are searched for a HELLO of a restarted peer.</summary>
    public TimeSpan StallProbe { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// Whether memory that messages were written through is overwritten before it goes back to the pool that the process
    /// shares: for messages with secrets in them. It costs time for each.
    /// </summary>
    public bool WipeMemory { get; init; }

    /// <summary>How long a session without a link waits to be resumed before it is declared lost.</summary>
    public TimeSpan ResumeTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// What the peer may send in all, or null for no limit; what comes before the handshake counts too. The default is far
    /// above real use, in bytes without a limit: it bounds the work that floods of the smallest frames and of new streams are.
    /// </summary>
    public RateLimit? TotalLimit { get; init; } = new(
        MessagesPerSecond: 500_000, MessagesBurst: 100_000, StreamsPerSecond: 10_000, StreamsBurst: 10_000);

    /// <summary>What the peer may send on control streams, or null for no limit.</summary>
    public RateLimit? ControlLimit { get; init; }

    /// <summary>What the peer may send on rpc streams, or null for no limit.</summary>
    public RateLimit? RpcLimit { get; init; }

    /// <summary>What the peer may send on bulk streams, or null for no limit.</summary>
    public RateLimit? BulkLimit { get; init; }

    /// <summary>Lowest protocol version offered.</summary>
    internal byte MinVersion { get; init; } = ProtocolVersion;

    /// <summary>Highest protocol version offered.</summary>
    internal byte MaxVersion { get; init; } = ProtocolVersion;

    /// <summary>Checks every range.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>; the text names the option, its value and what is allowed.</exception>
    public void Validate()
    {
        Range(nameof(MaxFrame), MaxFrame, SmallestMaxFrame, LargestMaxFrame);
        Range(nameof(ReplayBytes), ReplayBytes, 128 << 10, 64 << 20);
        Range(nameof(OutputBatch), OutputBatch, 1 << 10, 16 << 20);
        Range(nameof(AckBytes), AckBytes, 1, ReplayBytes / 4);
        Range(nameof(MaxBytesBeforeHello), MaxBytesBeforeHello, 64 << 10, 1 << 30);
        Range(nameof(SessionWindow), SessionWindow, LargestMaxFrame, 1L << 40);
        for (var i = 0; i < StreamClassValues.Count; i++)
        {
            Range(nameof(StreamWindow), StreamWindow[i], 1024, 256 << 20, (StreamClass)i);
            Range(nameof(MaxStreams), MaxStreams[i], 1, ushort.MaxValue, (StreamClass)i);
        }

        Range(nameof(HeartbeatInterval), HeartbeatInterval, 10, 60_000);
        Range(nameof(LivenessTimeout), LivenessTimeout, 30, 3_600_000);
        Range(nameof(AckDelay), AckDelay, 1, 10_000);
        Range(nameof(HelloRetry), HelloRetry, 1, 60_000);
        Range(nameof(HelloRetryMax), HelloRetryMax, (long)HelloRetry.TotalMilliseconds, 600_000);
        Range(nameof(HandshakeTimeout), HandshakeTimeout, 100, 24L * 3_600_000);
        Range(nameof(StallProbe), StallProbe, 1, 60_000);
        Range(nameof(ResumeTimeout), ResumeTimeout, 1, 7L * 24 * 3_600_000);
        TotalLimit?.Validate(nameof(TotalLimit));
        ControlLimit?.Validate(nameof(ControlLimit));
        RpcLimit?.Validate(nameof(RpcLimit));
        BulkLimit?.Validate(nameof(BulkLimit));
    }

    private static void Range(string name, TimeSpan value, long minMs, long maxMs)
    {
        if (value.TotalMilliseconds < minMs || value.TotalMilliseconds > maxMs)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"{name} is {value.TotalMilliseconds} ms; allowed are {minMs} to {maxMs} ms");
        }
    }

    private static void Range(string name, long value, long min, long max, StreamClass? of = null)
    {
        if (value < min || value > max)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"{name}{(of is { } streamClass ? $".{streamClass}" : "")} is {value}; allowed are {min} to {max}");
        }
    }
}
