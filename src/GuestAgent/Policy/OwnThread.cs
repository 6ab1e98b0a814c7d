namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// Work that may wait for storage, or for another process. It runs neither on the channel's receive path, which is one for all that the agent
/// is asked, nor in the pool, which calls that hang can fill. A thread without work stays for a while: a guest that was restored, where all code
/// is slow the first time, is ready sooner if it has to start none.
/// </summary>
internal static class OwnThread
{
    // One for the calls of a snapshot, and one that they leave at what may hang.
    private const int MostIdle = 2;
    private const int StayMilliseconds = 60_000;
    private static readonly object s_gate = new();
    private static readonly Queue<Task> s_given = new();

    /// <summary>Threads that wait, and for which nothing is in the queue.</summary>
    private static int s_idle;

    /// <summary>Runs it on a thread that does nothing else meanwhile; its exception becomes the task's.</summary>
    /// <exception cref="OutOfMemoryException">There is no thread for it.</exception>
    public static Task<T> RunAsync<T>(Func<T> work)
    {
        var task = new Task<T>(work, TaskCreationOptions.DenyChildAttach);
        lock (s_gate)
        {
            if (s_idle > 0)
            {
                s_idle--;
                s_given.Enqueue(task);
                Monitor.Pulse(s_gate);
                return task;
            }
        }

        new Thread(() => Work(task)) { IsBackground = true, Name = "own" }.Start();
        return task;
    }

    private static void Work(Task first)
    {
        first.RunSynchronously(TaskScheduler.Default);
        while (Next() is { } next)
        {
            next.RunSynchronously(TaskScheduler.Default);
        }
    }

    /// <summary>Waits for more work; null if there was none for a while.</summary>
    private static Task? Next()
    {
        lock (s_gate)
        {
            if (s_idle >= MostIdle)
            {
                return null;
            }

            s_idle++;
            // What is given meanwhile may be taken by another one that waits.
            for (var end = Environment.TickCount64 + StayMilliseconds; s_given.Count == 0;)
            {
                var left = end - Environment.TickCount64;
                if (left <= 0)
                {
                    s_idle--;
                    return null;
                }

                Monitor.Wait(s_gate, (int)left);
            }

            return s_given.Dequeue();
        }
    }
}
