using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Sessions;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Links;

/// <summary>
/// Gives the links of a listening endpoint that begin with a HELLO, the newest in place of the one before. Until then a link is a
/// candidate: it neither ends the link that is up nor holds the endpoint, and several are waited for at a time.
/// </summary>
/// <param name="inner">Where links come from; disposed of with this.</param>
/// <param name="patience">How long a candidate may be silent.</param>
/// <param name="time">The clock.</param>
internal sealed class CandidateEndpoint(IListeningEndpoint inner, TimeSpan patience, TimeProvider time) : ITransportEndpoint
{
    /// <summary>Candidates at a time; one more drops the oldest.</summary>
    internal const int MaxCandidates = 4;

    /// <summary>Between two tries while a link is up, so that an endpoint that always fails costs little.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly Queue<Candidate> _candidates = new();
    private TaskCompletionSource<ITransportLink>? _taker;
    private BegunLink? _present;
    private BegunLink? _next;
    private ChannelException? _failure;
    private Task _opening = Task.CompletedTask;

    public string Uri => inner.Uri;

    public async ValueTask<ITransportLink> OpenAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource<ITransportLink> taker;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            if (_next is { } next)
            {
                (_present, _next) = (next, null);
                return next;
            }

            if (_failure is { } failure)
            {
                _failure = null;
                throw failure;
            }

            _taker = taker = new TaskCompletionSource<ITransportLink>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_opening.IsCompleted)
            {
                _opening = Task.Run(OpenAllAsync, CancellationToken.None);
            }
        }

        using var registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((TaskCompletionSource<ITransportLink>)state!).TrySetCanceled(token), taker);
        return await taker.Task.ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        Task opening;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                return;
            }

            _stopping.Cancel();
            opening = _opening;
            while (_candidates.TryDequeue(out var candidate))
            {
                if (!candidate.IsOver)
                {
                    LinkDisposal.Abort(candidate.Link);
                }
            }

            if (_next is { } next)
            {
                _ = LinkDisposal.DiscardAsync(next);
            }
        }

        await opening.ConfigureAwait(false);
        await inner.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task OpenAllAsync()
    {
        try
        {
            while (true)
            {
                try
                {
                    Add(await inner.OpenAsync(_stopping.Token).ConfigureAwait(false));
                    continue;
                }
                catch (Exception error) when (!_stopping.IsCancellationRequested)
                {
                    if (Tell(error))
                    {
                        return;
                    }
                }

                // A link is up. What failed beside it, as a stranger that was refused, keeps no newer link of the peer's away.
                await Task.Delay(s_pause, time, _stopping.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Disposed of.
        }
    }

    /// <summary>Fails the wait for a link; false if no caller waits.</summary>
    private bool Tell(Exception error)
    {
        var failure = error as ChannelException
            ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"accepting on {Uri} failed: {error.Message}", error);
        lock (_gate)
        {
            var isTold = _taker?.TrySetException(failure) == true;
            // A link that came since is better than old news.
            _failure = isTold || _next is not null ? null : failure;
            _taker = null;
            if (isTold)
            {
                // The caller that was told may open again at once.
                _opening = Task.CompletedTask;
            }

            return isTold;
        }
    }

    private void Add(ITransportLink link)
    {
        var candidate = new Candidate(link);
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                _ = LinkDisposal.DiscardAsync(link);
                return;
            }

            while (_candidates.TryPeek(out var oldest) && (oldest.IsOver || _candidates.Count >= MaxCandidates))
            {
                _candidates.Dequeue();
                if (!oldest.IsOver)
                {
                    oldest.IsOver = true;
                    LinkDisposal.Abort(oldest.Link);
                }
            }

            _candidates.Enqueue(candidate);
        }

        _ = WaitForHelloAsync(candidate);
    }

    private async Task WaitForHelloAsync(Candidate candidate)
    {
        var link = candidate.Link;
        using var limit = time.CreateTimer(static state => LinkDisposal.Abort((ITransportLink)state!), link, patience, Timeout.InfiniteTimeSpan);
        try
        {
            var bytes = new byte[BegunLink.MostBefore];
            for (var have = 0; have < bytes.Length;)
            {
                var count = await link.ReceiveAsync(bytes.AsMemory(have)).ConfigureAwait(false);
                if (count == 0)
                {
                    break;
                }

                have += count;
                if (Session.HoldsHello(bytes.AsSpan(0, have)))
                {
                    if (TryAccept(candidate, new BegunLink(link, bytes.AsMemory(0, have))))
                    {
                        return;
                    }

                    break;
                }
            }
        }
        catch (Exception)
        {
            // Gone, dropped, or too late; or its transport failed in its own way.
        }

        candidate.IsOver = true;
        await LinkDisposal.DiscardAsync(link).ConfigureAwait(false);
    }

    private bool TryAccept(Candidate candidate, BegunLink link)
    {
        BegunLink? unopened;
        BegunLink? present;
        lock (_gate)
        {
            if (candidate.IsOver || _stopping.IsCancellationRequested)
            {
                return false;
            }

            candidate.IsOver = true;
            (unopened, present) = (_next, _present);
            if (_taker?.TrySetResult(link) == true)
            {
                (_present, _next) = (link, null);
            }
            else
            {
                _next = link;
            }

            _taker = null;
        }

        if (unopened is not null)
        {
            _ = LinkDisposal.DiscardAsync(unopened);
        }
        else
        {
            // Its channel sees it end, and opens the new one.
            LinkDisposal.Abort(present);
        }

        return true;
    }

    private sealed class Candidate(ITransportLink link)
    {
        private volatile bool _isOver;

        internal ITransportLink Link => link;

        /// <summary>Whether it is no candidate any more.</summary>
        internal bool IsOver { get => _isOver; set => _isOver = value; }
    }
}
