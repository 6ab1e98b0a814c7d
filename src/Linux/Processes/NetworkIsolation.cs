using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Network namespaces of threads (network_namespaces(7)). A namespace belongs to a thread, and what it starts inherits it, so
/// everything in one runs on a thread made for it.
/// </summary>
public static class NetworkIsolation
{
    /// <summary>CLONE_NEWNET.</summary>
    public const int Kind = 0x40000000;

    /// <summary>Runs something in a new namespace, with the loopback device alone, which lives as long as what is started there, and waits for it.</summary>
    /// <param name="inside">What to run; it is told 0, or the errno for which there is no such namespace.</param>
    public static T RunInEmpty<T>(Func<int, T> inside)
    {
        ArgumentNullException.ThrowIfNull(inside);
        return OnThread(() => inside(SystemCalls.Unshare(Kind) < 0 ? Errno.Last : NetworkDevice.SwitchOn(NetworkDevice.Loopback)));
    }

    /// <summary>Runs something on a thread of its own, and waits for it.</summary>
    public static T OnThread<T>(Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        T? result = default;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = work();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        return result!;
    }
}
