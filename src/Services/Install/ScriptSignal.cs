using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Services.Install;

/// <summary>The shared state of one half: its lock, the wait for a change, and the two ends that wake all waiting calls.</summary>
internal sealed class ScriptSignal(TimeProvider time)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);
    private TaskCompletionSource _changed = New();
    private ChannelException? _over;
    private ChannelException? _peerEnd;

    /// <summary>Guards the state of all parts.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Under the lock: wakes all waiting calls, which look again.</summary>
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
    /// <param name="timeout">0 or more; null: without limit, as is what no timer can measure.</param>
    /// <param name="what">What is waited for, for the error's text.</param>
    /// <param name="cancellationToken">The caller has gone.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.DeadlineExceeded"/>, or what <paramref name="attempt"/> throws.</exception>
    public async ValueTask<T> WaitAsync<T>(Func<T?> attempt, TimeSpan? timeout, string what, CancellationToken cancellationToken)
        where T : class
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(timeout ?? default, TimeSpan.Zero, nameof(timeout));
        using var limit = timeout < s_longest ? new CancellationTokenSource(timeout.Value, time) : null;
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
                throw new ChannelException(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"{what} took longer than {(long)timeout!.Value.TotalMilliseconds} ms");
            }
        }
    }

    // One object thrown on many threads would mix their stacks.
    private static ChannelException Again(ChannelException e) => new(e.Code, e.Class, e.Message);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
