namespace ChannelSdk.Protocol;

/// <summary>
/// The rate limits of one session's inbound side. A class that is over its byte rate gets no new credit; a peer that
/// goes beyond that (messages, new streams, the total) is not read from until its debt is paid.
/// </summary>
internal sealed class InboundLimiter
{
    private readonly Buckets? _total;
    private readonly Buckets?[] _classes;

    public InboundLimiter(SessionOptions options, long now)
    {
        _total = Buckets.Create(options.TotalLimit, now);
        _classes = [Buckets.Create(options.ControlLimit, now), Buckets.Create(options.RpcLimit, now), Buckets.Create(options.BulkLimit, now)];
    }

    /// <summary>Charges one frame. Frames of no stream (class null) count against the total only.</summary>
    public void Charge(StreamClass? streamClass, int bytes, bool opensStream, long now)
    {
        _total?.Charge(bytes, opensStream, now);
        if (streamClass is { } c)
        {
            _classes[(int)c]?.Charge(bytes, opensStream, now);
        }
    }

    /// <summary>When credit may be granted again to streams of this class.</summary>
    public long CreditAllowedAt(StreamClass streamClass, long now) => _classes[(int)streamClass]?.AllReadyAt(now) ?? now;

    /// <summary>Time before which the link must not be read, or 0.</summary>
    public long ReadPausedUntil(long now)
    {
        var until = _total?.AllReadyAt(now) ?? now;
        foreach (var buckets in _classes)
        {
            // Credit bounds a class in bytes, not in messages or streams: beyond one burst of debt only silence holds it.
            until = Math.Max(until, buckets?.MessagesAndStreamsReadyAt(now) ?? now);
        }

        return until > now ? until : 0;
    }

    private sealed class Buckets(RateLimit limit, long now)
    {
        private TokenBucket _bytes = new(limit.BytesPerSecond, limit.BytesBurst, now);
        private TokenBucket _messages = new(limit.MessagesPerSecond, limit.MessagesBurst, now);
        private TokenBucket _streams = new(limit.StreamsPerSecond, limit.StreamsBurst, now);

        public static Buckets? Create(RateLimit? limit, long now) => limit is null ? null : new Buckets(limit, now);

        public void Charge(int bytes, bool opensStream, long now)
        {
            _bytes.Charge(bytes, now);
            _messages.Charge(1, now);
            if (opensStream)
            {
                _streams.Charge(1, now);
            }
        }

        public long AllReadyAt(long now) => Math.Max(_bytes.ReadyAt(now), Math.Max(_messages.ReadyAt(now), _streams.ReadyAt(now)));

        public long MessagesAndStreamsReadyAt(long now) =>
            Math.Max(_messages.ReadyAt(now, limit.MessagesBurst), _streams.ReadyAt(now, limit.StreamsBurst));
    }
}
