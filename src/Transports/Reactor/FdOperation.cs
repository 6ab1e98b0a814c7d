using System.Threading.Tasks.Sources;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// One reusable operation on a descriptor (receive, send, accept): tries the system call first, and waits for an
/// edge only when the call would block. Waiting allocates nothing.
/// </summary>
/// <remarks>
/// Edge-triggered events are reported once, so none may be lost between the failed call and the wait. An edge with
/// no waiting call is kept as <see cref="Signaled"/>; the step to <see cref="Waiting"/> succeeds from
/// <see cref="Idle"/> only, else the call is tried again. The thread that takes the state out of Waiting completes the
/// operation, exactly once.
/// </remarks>
internal abstract class FdOperation : IValueTaskSource<int>, IReactorWork
{
    /// <summary>What <see cref="Try"/> gives when the call would block.</summary>
    protected const int WouldBlock = -1;

    private const int Idle = 0;
    private const int Signaled = 1;
    private const int Waiting = 2;
    private const int Trying = 3;
    private const int Closed = 4;

    private readonly IoReactor _reactor;
    private ManualResetValueTaskSourceCore<int> _core;
    private int _state;

    protected FdOperation(IoReactor reactor) => _reactor = reactor;

    protected IoReactor Reactor => _reactor;

    internal bool IsWaiting => Volatile.Read(ref _state) is Waiting or Trying;

    /// <summary>Makes the system call once: a result of 0 or more, or <see cref="WouldBlock"/>; throws on failure.</summary>
    protected abstract int Try();

    /// <summary>The error of calls after <see cref="Close"/>.</summary>
    protected abstract ChannelException ClosedError();

    /// <summary>Called when the operation waits, for arming what it waits for.</summary>
    protected virtual void OnWaiting()
    {
    }

    /// <summary>Called when the operation ends after waiting, for letting go of the caller's buffer.</summary>
    protected virtual void OnFinished()
    {
    }

    /// <summary>Starts the operation with what the subclass stored before. One at a time.</summary>
    /// <param name="wouldBlock">The caller knows that the call would block unless an edge came since.</param>
    protected ValueTask<int> StartAsync(bool wouldBlock = false)
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if (state == Signaled)
            {
                Interlocked.CompareExchange(ref _state, Idle, Signaled);
                wouldBlock = false;
            }
            else if (state == Closed)
            {
                return ValueTask.FromException<int>(ClosedError());
            }

            var putOff = false;
            if (!wouldBlock)
            {
                putOff = _reactor.TurnIsUsedUp;
                if (!putOff)
                {
                    int result;
                    try
                    {
                        result = Try();
                    }
                    catch (Exception error) when (error is ChannelException or ObjectDisposedException)
                    {
                        return ValueTask.FromException<int>(Translate(error));
                    }

                    if (result >= 0)
                    {
                        _reactor.Charge(result);
                        return new ValueTask<int>(result);
                    }
                }
            }

            _core.Reset();
            var version = _core.Version;
            if (Interlocked.CompareExchange(ref _state, Waiting, Idle) == Idle)
            {
                if (putOff)
                {
                    _reactor.RunSoon(this);
                }
                else
                {
                    OnWaiting();
                }

                return new ValueTask<int>(this, version);
            }

            wouldBlock = false;
        }
    }

    /// <summary>Refuses a second operation while one waits.</summary>
    protected void ThrowIfWaiting()
    {
        if (IsWaiting)
        {
            throw new InvalidOperationException("the operation before has not ended; one may be outstanding at a time");
        }
    }

    /// <summary>An edge: completes the waiting operation if the call now works. On the reactor's thread only.</summary>
    public void OnReady()
    {
        while (true)
        {
            switch (Interlocked.CompareExchange(ref _state, Signaled, Idle))
            {
                case Waiting when Interlocked.CompareExchange(ref _state, Trying, Waiting) == Waiting:
                    TryWaiting();
                    return;
                case Waiting:
                    continue;
                default:
                    return;
            }
        }
    }

    /// <summary>Ends a waiting operation with an error; later ones work. Nothing happens if none waits.</summary>
    internal void Cancel(Exception error)
    {
        var spin = new SpinWait();
        while (true)
        {
            switch (Interlocked.CompareExchange(ref _state, Idle, Waiting))
            {
                case Waiting:
                    FinishElsewhere(error);
                    return;
                case Trying:
                    // For the length of one non-blocking system call.
                    spin.SpinOnce();
                    continue;
                default:
                    return;
            }
        }
    }

    /// <summary>Ends the waiting operation and refuses all later ones. From any thread, more than once.</summary>
    internal void Close()
    {
        if (Interlocked.Exchange(ref _state, Closed) == Waiting)
        {
            FinishElsewhere(ClosedError());
        }
    }

    private void TryWaiting()
    {
        var result = 0;
        Exception? failure = null;
        try
        {
            result = Try();
        }
        catch (Exception error) when (error is ChannelException or ObjectDisposedException)
        {
            failure = Translate(error);
        }

        var next = failure is null && result == WouldBlock ? Waiting : Idle;
        var closed = Interlocked.CompareExchange(ref _state, next, Trying) != Trying;
        if (next == Waiting)
        {
            if (!closed)
            {
                OnWaiting();
                return;
            }

            failure = ClosedError();
        }

        OnFinished();
        _core.RunContinuationsAsynchronously = false;
        if (failure is null)
        {
            _core.SetResult(result);
        }
        else
        {
            _core.SetException(failure);
        }
    }

    private void FinishElsewhere(Exception error)
    {
        OnFinished();
        // The thread that aborts may hold locks that the continuation wants.
        _core.RunContinuationsAsynchronously = true;
        _core.SetException(error);
    }

    private Exception Translate(Exception error) => error is ObjectDisposedException ? ClosedError() : error;

    int IValueTaskSource<int>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
