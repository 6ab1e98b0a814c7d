using ChannelSdk.Protocol;

namespace ChannelSdk.Runtime.Halves;

/// <summary>What the parts of one half share: their lock, waiting for a change, and the two ends that wake everybody.</summary>
internal sealed class HalfSignal(TimeProvider time)
{
    private TaskCompletionSource _changed = New();
    private ChannelException? _over;
    private ChannelException? _peerEnd;

    /// <summary>Guards the state of all parts.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Under the lock: wakes everybody who waits, to look again.</summary>
    public void Change()
    {
        _changed.TrySetResult();
        _changed = New();
    }

    /// <summary>The other half has ended. Only the first time counts.</summary>
    public void EndPeer(string why)
    {
        lock (Gate)
        {
            _peerEnd ??= new ChannelException(ChannelError.PeerEnded, ErrorClass.Refused, why);
            Change();
        }
    }

    /// <summary>The operation is over for this half.</summary>
    public void End(string why)
    {
        lock (Gate)
        {
            _over ??= new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, why);
            Change();
        }
    }

    /// <summary>Under the lock.</summary>
    public void ThrowIfOver()
    {
        if (_over is { } over)
        {
            throw Again(over);
        }
    }

    /// <summary>Under the lock.</summary>
    public void ThrowIfPeerEnded()
    {
        if (_peerEnd is { } ended)
        {
            throw Again(ended);
        }
    }

    /// <summary>Tries until something is there.</summary>
    /// <param name="attempt">Called under the lock: what is there, or null to wait for a change.</param>
    /// <param name="timeoutMs">0: without limit.</param>
    /// <param name="what">What is waited for, for the error's text.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    /// <exception cref="ChannelException">DeadlineExceeded, or what <paramref name="attempt"/> throws.</exception>
    public async ValueTask<T> WaitAsync<T>(Func<T?> attempt, uint timeoutMs, string what, CancellationToken cancellationToken)
        where T : class
    {
        using var limit = timeoutMs == 0 ? null : new CancellationTokenSource(TimeSpan.FromMilliseconds(timeoutMs), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit?.Token ?? default);
        while (true)
        {
            Task changed;
            lock (Gate)
            {
                ThrowIfOver();
                if (attempt() is { } found)
                {
                    return found;
                }

                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"{what} took longer than {timeoutMs} ms");
            }
        }
    }

    // One object thrown on many threads would mix their stacks.
    private static ChannelException Again(ChannelException e) => new(e.Code, e.Class, e.Message);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
