namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// The time that a freeze may take, watched by its own thread, so that it ends on time independently of the channel, the
/// thread pool and their locks do. Only the answer to "is the link there" comes from outside; no answer counts as no.
/// </summary>
internal sealed class FreezeLease : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private readonly object _lock = new();
    private readonly Func<bool> _isOwnerThere;
    private readonly Action<string> _ended;
    private readonly TimeProvider _time;
    private Timer? _presence;
    private bool _isRunning;
    private bool _isDisposed;
    private long _startedAt;
    private TimeSpan _length;
    private TimeSpan _linkLoss;
    private long _seenAt;
    private int _looking;

    /// <summary>Makes it; the thread comes with the first lease.</summary>
    /// <param name="isOwnerThere">Whether the session that holds the lease has a link now. May block.</param>
    /// <param name="ended">Called once on the thread when a lease is over, with the reason. Its exceptions are dropped.</param>
    /// <param name="time">The clock.</param>
    public FreezeLease(Func<bool> isOwnerThere, Action<string> ended, TimeProvider time)
    {
        (_isOwnerThere, _ended, _time) = (isOwnerThere, ended, time);
    }

    /// <summary>Time left; zero without a lease.</summary>
    public TimeSpan Left
    {
        get
        {
            lock (_lock)
            {
                var left = _isRunning ? _length - _time.GetElapsedTime(_startedAt) : TimeSpan.Zero;
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>Begins a lease, which must be before anything is frozen: the first one starts the thread.</summary>
    /// <param name="length">How long from now.</param>
    /// <param name="linkLoss">How long its owner may be gone.</param>
    public void Start(TimeSpan length, TimeSpan linkLoss)
    {
        lock (_lock)
        {
            (_isRunning, _startedAt, _length, _linkLoss) = (true, _time.GetTimestamp(), length, linkLoss);
            _seenAt = _startedAt;
            if (_presence is null)
            {
                _presence = new Timer(static state => ((FreezeLease)state!).LookForOwner(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                new Thread(Watch) { IsBackground = true, Name = "freeze lease" }.Start();
            }

            _presence.Change(TimeSpan.Zero, s_look);
            Monitor.Pulse(_lock);
        }
    }

    /// <summary>Renews the running lease; false if it is over.</summary>
    /// <param name="length">How long from now.</param>
    public bool Renew(TimeSpan length)
    {
        lock (_lock)
        {
            if (_isRunning && WhyOver() is null)
            {
                (_startedAt, _length) = (_time.GetTimestamp(), length);
                return true;
            }

            return false;
        }
    }

    /// <summary>Ends the lease without a call.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _isRunning = false;
            if (!_isDisposed)
            {
                _presence?.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>Ends the thread.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            Monitor.Pulse(_lock);
            _presence?.Dispose();
        }
    }

    private void Watch()
    {
        while (true)
        {
            string? reason;
            lock (_lock)
            {
                if (_isDisposed)
                {
                    return;
                }

                reason = _isRunning ? WhyOver() : null;
                if (reason is null)
                {
                    _ = _isRunning ? Monitor.Wait(_lock, s_look) : Monitor.Wait(_lock);
                    continue;
                }

                _isRunning = false;
                _presence!.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }

            try
            {
                _ended(reason);
            }
            catch (Exception)
            {
                // This thread is what thaws: it watches the next lease too.
            }
        }
    }

    private string? WhyOver()
    {
        if (_time.GetElapsedTime(_startedAt) >= _length)
        {
            return $"the lease of {_length.TotalSeconds:0.#} s ended";
        }

        return _time.GetElapsedTime(_seenAt) >= _linkLoss
            ? $"the session that holds the lease had no link for {_linkLoss.TotalSeconds:0.#} s" : null;
    }

    private void LookForOwner()
    {
        // While one look is held up, further ones would only queue behind it.
        if (Interlocked.Exchange(ref _looking, 1) != 0)
        {
            return;
        }

        try
        {
            if (_isOwnerThere())
            {
                lock (_lock)
                {
                    _seenAt = _time.GetTimestamp();
                }
            }
        }
        catch (Exception)
        {
            // No answer counts as no; thrown on, it would end the process.
        }
        finally
        {
            Volatile.Write(ref _looking, 0);
        }
    }
}
