using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// The ends of this process's children, of which there may be one for each instance: one thread waits for all of them, by descriptors
/// (pidfd_open(2), Linux 5.3).
/// </summary>
public static class ProcessEnds
{
    private const int Room = 32;
    private const int StackBytes = 256 << 10;

    private static readonly Lock s_gate = new();
    private static readonly Dictionary<int, Child> s_children = [];
    private static EpollSet? s_set;

    /// <summary>Waits for the end of a child, which no other code waits for.</summary>
    /// <param name="pid">Its number.</param>
    /// <returns>Its exit code, as <see cref="ChildProcess.ExitCode"/>; 0 if other code took it away.</returns>
    public static Task<int> Of(int pid)
    {
        var handle = new SafeFd(ProcessCalls.PidFdOpen(pid));
        var child = new Child(handle);
        lock (s_gate)
        {
            if (!handle.IsInvalid && (s_set ??= Begin()) is { IsInvalid: false } set && set.Add(handle, Abi.EPOLLIN, (ulong)pid) == 0)
            {
                s_children.Add(pid, child);
                return child.Ended.Task;
            }
        }

        // There is no descriptor left: a thread of its own waits.
        handle.Dispose();
        return Task.Factory.StartNew(() => Reap(pid, 0), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static EpollSet Begin()
    {
        var set = EpollSet.Create(Room);
        if (!set.IsInvalid)
        {
            new Thread(() => Wait(set), StackBytes) { IsBackground = true, Name = "channel-ends" }.Start();
        }

        return set;
    }

    private static void Wait(EpollSet set)
    {
        while (true)
        {
            var count = set.Wait(-1);
            for (var i = 0; i < count; i++)
            {
                var pid = (int)set.Token(i);
                Child? child;
                lock (s_gate)
                {
                    if (!s_children.Remove(pid, out child))
                    {
                        continue;
                    }

                    set.Remove(child.Handle);
                }

                child.Handle.Dispose();
                child.Ended.TrySetResult(Reap(pid, Abi.WNOHANG));
            }
        }
    }

    private static int Reap(int pid, int options)
    {
        int status;
        int result;
        do
        {
            result = ProcessCalls.WaitPid(pid, out status, options);
        }
        while (result < 0 && Errno.Last == Errno.EINTR);
        return result > 0 ? ChildProcess.ExitCode(status) : 0;
    }

    private sealed record Child(SafeFd Handle)
    {
        public TaskCompletionSource<int> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
