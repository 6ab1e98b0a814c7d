namespace ChannelSdk.Protocol.Limits;

/// <summary>
/// Token bucket with debt: what has arrived is always charged, and the bucket tells when the debt is paid.
/// Time in microseconds. The remainder of each refill is kept, so no rate is lost to rounding however often it runs.
/// </summary>
public struct TokenBucket
{
    private const long Second = 1_000_000;
    private readonly long _rate;
    private readonly long _burst;
    private long _tokens;
    private long _last;
    private long _remainder;

    /// <summary>Makes a full bucket.</summary>
    /// <param name="ratePerSecond">Tokens a second; 0 = no limit.</param>
    /// <param name="burst">Most tokens that gather.</param>
    /// <param name="now">Time of creation.</param>
    public TokenBucket(long ratePerSecond, long burst, long now)
    {
        _rate = ratePerSecond;
        _burst = burst;
        _tokens = burst;
        _last = now;
    }

    /// <summary>Whether there is a limit at all.</summary>
    public readonly bool IsLimited => _rate > 0;

    /// <summary>Takes tokens, into debt if need be.</summary>
    public void Charge(long count, long now)
    {
        if (_rate == 0)
        {
            return;
        }

        Refill(now);
        _tokens -= count;
    }

    /// <summary>Earliest time at which the debt is not more than <paramref name="allowedDebt"/>; at most <paramref name="now"/> if it is so already.</summary>
    public long ReadyAt(long now, long allowedDebt = 0)
    {
        if (_rate == 0)
        {
            return now;
        }

        Refill(now);
        var missing = -_tokens - allowedDebt;
        return missing <= 0 ? now : now + (long)Int128.Min(3600 * Second, (Int128)missing * Second / _rate + 1);
    }

    private void Refill(long now)
    {
        var elapsed = Math.Min(now - _last, 3600 * Second);
        if (elapsed <= 0)
        {
            return;
        }

        _last = now;
        var earned = (Int128)elapsed * _rate + _remainder;
        _tokens = (long)Int128.Min(_burst, _tokens + earned / Second);
        _remainder = _tokens == _burst ? 0 : (long)(earned % Second);
    }
}
