using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Processes;

/// <summary>
/// Namespaces of threads (namespaces(7)). A namespace belongs to a thread, and what it starts inherits it, so everything in one runs on a
/// thread made for it.
/// </summary>
public static class ThreadNamespaces
{
    /// <summary>Runs something in a new namespace of the network, with the loopback device alone, which lives as long as what is started there, and waits for it.</summary>
    /// <param name="inside">What to run; it is told 0, or the errno for which there is no such namespace.</param>
    public static T RunInEmpty<T>(Func<int, T> inside)
    {
        ArgumentNullException.ThrowIfNull(inside);
        return OnThread(() => inside(Enter(NamespaceKinds.Network) is not 0 and var error ? error : NetworkDevice.SwitchOn(NetworkDevice.Loopback)));
    }

    /// <summary>Gives the calling thread new namespaces. The caller's thread ends soon: it is in them from now on, and after a new one of processes it can make no thread.</summary>
    /// <returns>0, or the errno for which it has not got them.</returns>
    public static int Enter(NamespaceKinds kinds) => SystemCalls.Unshare((int)kinds) == 0 ? 0 : Errno.Last;

    /// <summary>The inode of this process's namespace of mounts, by which it is told from another; 0 if it cannot be seen.</summary>
    public static unsafe ulong OwnMounts()
    {
        StatxResult facts = default;
        return FileCalls.Statx(Abi.AT_FDCWD, "/proc/self/ns/mnt", 0, Abi.STATX_INO, &facts) == 0 ? facts.Inode : 0;
    }

    /// <summary>Starts a program in new namespaces, of which it is the first process.</summary>
    /// <param name="request">What is started, without preparation.</param>
    /// <param name="kinds">Which.</param>
    /// <param name="pid">Its number here.</param>
    /// <param name="hasJoined">As <see cref="ProcessSpawn.Start(SpawnRequest, out int, out bool)"/>.</param>
    /// <returns>0, or the errno.</returns>
    public static int Start(SpawnRequest request, NamespaceKinds kinds, out int pid, out bool hasJoined)
    {
        var (started, joined) = (0, false);
        // At the end, as a thread after a new namespace of processes can make no other.
        var error = OnThread(() => ProcessSpawn.Start(request with { Prepare = () => Enter(kinds) }, out started, out joined));
        (pid, hasJoined) = (started, joined);
        return error;
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
