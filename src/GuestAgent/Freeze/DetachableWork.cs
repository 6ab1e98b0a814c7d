using System.Diagnostics;
using System.Runtime.ExceptionServices;
using ChannelSdk.GuestAgent.Policy;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// Work on its own thread that may be stuck in a call of the kernel, such as the open of a mount point below a file
/// system that does not answer. Its caller can leave it there.
/// </summary>
internal sealed class DetachableWork
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(20);
    private readonly object _lock = new();
    private readonly Action _work;
    private readonly Action _late;
    private ExceptionDispatchInfo? _error;
    private bool _isDone;
    private bool _isLeft;
    private volatile bool _isBack;

    private DetachableWork(Action work, Action late) => (_work, _late) = (work, late);

    /// <summary>Whether the thread has not come back, the work for a late return included.</summary>
    public bool IsAway => !_isBack;

    /// <summary>Begins.</summary>
    /// <param name="work">What may be stuck.</param>
    /// <param name="late">Follows on the same thread if the work comes back after its caller has left it.</param>
    public static DetachableWork Start(Action work, Action late)
    {
        var started = new DetachableWork(work, late);
        _ = OwnThread.RunAsync(() =>
        {
            started.Run();
            return true;
        });
        return started;
    }

    /// <summary>Waits for the end of the work, and throws what it threw.</summary>
    /// <param name="mustLeave">Whether to wait no longer than the grace from now on; asked all the time.</param>
    /// <param name="grace">How long the work has to come back once it must.</param>
    /// <returns>False if the work was left behind.</returns>
    public bool Wait(Func<bool> mustLeave, TimeSpan grace)
    {
        long? since = null;
        lock (_lock)
        {
            while (!_isDone)
            {
                _ = Monitor.Wait(_lock, s_look);
                since = mustLeave() ? since ?? Stopwatch.GetTimestamp() : null;
                if (!_isDone && since is { } start && Stopwatch.GetElapsedTime(start) >= grace)
                {
                    _isLeft = true;
                    return false;
                }
            }
        }

        _error?.Throw();
        return true;
    }

    private void Run()
    {
        Guard(_work);
        bool isLate;
        lock (_lock)
        {
            (_isDone, isLate) = (true, _isLeft);
            _isBack = !isLate;
            Monitor.PulseAll(_lock);
        }

        if (isLate)
        {
            Guard(_late);
            _isBack = true;
        }
    }

    // Nothing may leave this thread: it would end the process.
    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            _error = ExceptionDispatchInfo.Capture(e);
        }
    }
}
