using System.Threading.Tasks.Sources;

namespace ChannelSdk.Channels;

/// <summary>One waiting reader or writer of a stream. Used again for each wait, so that none allocates.</summary>
internal sealed class StreamWaiter<T>(ChannelCore core) : IValueTaskSource<T>, IValueTaskSource, IDeferred
{
    private ManualResetValueTaskSourceCore<T> _source = new() { RunContinuationsAsynchronously = true };
    private CancellationTokenRegistration _registration;
    private CancellationToken _token;
    private Action? _onCancel;
    private T? _result;
    private Exception? _error;

    public bool IsWaiting { get; private set; }

    public ValueTask<T> Wait(Action onCancel, CancellationToken token)
    {
        Arm(onCancel, token);
        return new ValueTask<T>(this, _source.Version);
    }

    public ValueTask WaitVoid(Action onCancel, CancellationToken token)
    {
        Arm(onCancel, token);
        return new ValueTask(this, _source.Version);
    }

    private void Arm(Action onCancel, CancellationToken token)
    {
        if (IsWaiting)
        {
            throw new InvalidOperationException("only one read and one write may be under way on a stream");
        }

        IsWaiting = true;
        if (token.CanBeCanceled)
        {
            (_token, _onCancel) = (token, onCancel);
            _registration = token.UnsafeRegister(static state => ((StreamWaiter<T>)state!).Cancel(), this);
        }
    }

    private void Cancel()
    {
        lock (core.Gate)
        {
            if (!IsWaiting)
            {
                return;
            }

            SetResult(default!, new OperationCanceledException(_token));
            _onCancel!();
        }

        core.Callbacks.Run();
        core.Engine.Flush();
    }

    public void SetResult(T result, Exception? error)
    {
        IsWaiting = false;
        (_result, _error) = (result, error);
        core.Callbacks.Defer(this);
    }

    void IDeferred.Run()
    {
        if (_error is { } error)
        {
            _source.SetException(error);
        }
        else
        {
            _source.SetResult(_result!);
        }
    }

    public T GetResult(short token)
    {
        _registration.Dispose();
        try
        {
            return _source.GetResult(token);
        }
        finally
        {
            (_registration, _token, _onCancel, _result, _error) = (default, default, null, default, null);
            _source.Reset();
        }
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _source.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);
}
