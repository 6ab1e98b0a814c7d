using ChannelSdk.Protocol.Limits;

namespace ChannelSdk.Metadata.Http;

/// <summary>The request rate of one instance.</summary>
internal sealed class RequestBudget
{
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Lock _gate = new();
    private TokenBucket _bucket;

    public RequestBudget(MetadataServerOptions options)
    {
        _time = options.Time;
        _start = _time.GetTimestamp();
        _bucket = new TokenBucket(options.RequestsPerSecond, options.RequestsBurst, 0);
    }

    /// <summary>Takes one request; 0 if it may run, or else the whole seconds until one may.</summary>
    public int Charge()
    {
        if (!_bucket.IsLimited)
        {
            return 0;
        }

        var now = (long)_time.GetElapsedTime(_start).TotalMicroseconds;
        lock (_gate)
        {
            // Ready is what can pay for this request in full: a refused one costs nothing.
            var readyAt = _bucket.ReadyAt(now, -1);
            if (readyAt > now)
            {
                return (int)Math.Max(1, (readyAt - now + 999_999) / 1_000_000);
            }

            _bucket.Charge(1, now);
            return 0;
        }
    }
}
