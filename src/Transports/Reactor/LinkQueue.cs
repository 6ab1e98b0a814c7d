namespace ChannelSdk.Transports.Reactor;

/// <summary>
/// Links that came and wait to be taken, one after another, and the call that waits for one. Links may come under any
/// lock: nothing of a user runs here.
/// </summary>
/// <typeparam name="TLink">The links.</typeparam>
/// <param name="uri">Of the endpoint, for error texts.</param>
/// <param name="isDead">Whether a link that waited has ended and need not be given out.</param>
internal sealed class LinkQueue<TLink>(string uri, Predicate<TLink> isDead)
    where TLink : class
{
    /// <summary>Links that wait; more are refused.</summary>
    private const int Backlog = 16;

    private readonly Lock _gate = new();
    private readonly Queue<TLink> _waiting = new();
    private TaskCompletionSource<TLink>? _taker;
    private Exception? _failure;
    private bool _isEnded;

    /// <summary>Gives a link. False if it is not wanted: too many wait, or the endpoint has ended.</summary>
    internal bool Offer(TLink link)
    {
        lock (_gate)
        {
            if (_isEnded)
            {
                return false;
            }
            // A taker that was cancelled in this moment refuses it.
            if (_taker?.TrySetResult(link) == true)
            {
                _taker = null;
                return true;
            }

            while (_waiting.TryPeek(out var oldest) && isDead(oldest))
            {
                _waiting.Dequeue();
            }

            if (_waiting.Count >= Backlog)
            {
                return false;
            }

            _waiting.Enqueue(link);
            return true;
        }
    }

    /// <summary>Fails the waiting call, or the next one.</summary>
    internal void Fail(Exception failure)
    {
        lock (_gate)
        {
            if (_taker?.TrySetException(failure) != true)
            {
                _failure = failure;
            }

            _taker = null;
        }
    }

    /// <summary>Waits for the next link. One at a time.</summary>
    internal async ValueTask<TLink> AcceptAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource<TLink> taker;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isEnded, this);
            if (_taker is { Task.IsCompleted: false })
            {
                throw new InvalidOperationException($"{uri} is being opened already");
            }

            if (_failure is { } failure)
            {
                _failure = null;
                throw failure;
            }

            while (_waiting.TryDequeue(out var link))
            {
                if (!isDead(link))
                {
                    return link;
                }
            }

            _taker = taker = new TaskCompletionSource<TLink>(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((TaskCompletionSource<TLink>)state!).TrySetCanceled(token), taker);
        return await taker.Task.ConfigureAwait(false);
    }

    /// <summary>Ends it.</summary>
    /// <returns>The links that were not taken.</returns>
    internal IReadOnlyList<TLink> End(Exception failure)
    {
        lock (_gate)
        {
            _isEnded = true;
            _taker?.TrySetException(failure);
            _taker = null;
            TLink[] left = [.. _waiting];
            _waiting.Clear();
            return left;
        }
    }
}
