using System.Threading.Tasks.Sources;

namespace ChannelSdk.Transports.InMemory;

/// <summary>
/// A reusable wait of one side of a <see cref="MemoryPipe"/>, whose lock guards it. It is itself the work item that
/// runs the continuation, so that going through the thread pool allocates nothing.
/// </summary>
internal sealed class PipeWait : IValueTaskSource<int>, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<int> _core;
    private int _result;
    private Exception? _error;

    internal bool IsWaiting { get; private set; }

    internal ValueTask<int> Begin()
    {
        if (IsWaiting)
        {
            throw new InvalidOperationException("the operation before has not ended; one may be outstanding at a time");
        }

        _core.Reset();
        IsWaiting = true;
        return new ValueTask<int>(this, _core.Version);
    }

    internal void Complete(int result) => Finish(result, null);

    internal void Fail(Exception error) => Finish(0, error);

    private void Finish(int result, Exception? error)
    {
        IsWaiting = false;
        _result = result;
        _error = error;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (_error is { } error)
        {
            _core.SetException(error);
        }
        else
        {
            _core.SetResult(_result);
        }
    }

    int IValueTaskSource<int>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
