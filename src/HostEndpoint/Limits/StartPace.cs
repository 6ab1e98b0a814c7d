using ChannelSdk.Protocol.Limits;

namespace ChannelSdk.Host.Limits;

/// <summary>Holds back the starts of an instance's workers: each costs the host far more time than it costs a guest to break one. Thread-safe.</summary>
/// <param name="perMinute">How many; ten may come at once.</param>
/// <param name="time">The clock.</param>
internal sealed class StartPace(int perMinute, TimeProvider time)
{
    private const int AtOnce = 10;

    // A start's price, so that the rate a second is that of starts a minute.
    private const int Price = 60;

    private readonly Lock _gate = new();
    private TokenBucket _bucket = new(perMinute, AtOnce * Price, 0);
    private long _delayed;

    /// <summary>Starts that had to wait.</summary>
    public long Delayed => Volatile.Read(ref _delayed);

    private long Now => (long)time.GetElapsedTime(0).TotalMicroseconds;

    /// <summary>Another rate, from now on; what was used up is forgotten.</summary>
    public void Change(int perMinute)
    {
        lock (_gate)
        {
            _bucket = new TokenBucket(perMinute, AtOnce * Price, Now);
        }
    }

    /// <summary>Waits until one more may be started.</summary>
    /// <exception cref="OperationCanceledException">The token has fired.</exception>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        for (var isFirst = true; TakeAt() is > 0 and var wait; isFirst = false)
        {
            if (isFirst)
            {
                Interlocked.Increment(ref _delayed);
            }

            // In short steps, as the rate may be changed meanwhile.
            await Task.Delay(TimeSpan.FromMicroseconds(Math.Min(wait, 1_000_000)), time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>0: one is taken; else microseconds until one may be.</summary>
    private long TakeAt()
    {
        lock (_gate)
        {
            var now = Now;
            // One may be taken while its price is there.
            var ready = _bucket.ReadyAt(now, -Price);
            if (ready > now)
            {
                return ready - now;
            }

            _bucket.Charge(Price, now);
            return 0;
        }
    }
}
