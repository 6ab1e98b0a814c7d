using System.Text;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Worker.Confinement;

/// <summary>
/// A root folder with nothing in it, that takes nothing: a file system in memory with one inode, mounted read only in the mount namespace
/// that the host manager has made. The host's file systems are unmounted from it.
/// </summary>
internal static unsafe class EmptyRoot
{
    // sys/mount.h.
    private const nuint ReadOnly = 1;
    private const nuint NoSetUserId = 2;
    private const nuint NoDevices = 4;
    private const nuint NoPrograms = 8;
    private const nuint Remount = 32;
    private const nuint Bind = 4096;
    private const nuint Move = 8192;
    private const nuint Recursive = 16384;
    private const nuint Private = 1 << 18;
    private const int Detach = 2;

    private const nuint Inert = NoSetUserId | NoDevices | NoPrograms;

    // A folder that is there on any host: this runtime does not begin without it.
    private const string Place = "/proc";

    /// <summary>Changes the root of all threads, as they share it.</summary>
    /// <param name="hostMounts">The inode of the mount namespace of the host's processes, in which nothing may be changed.</param>
    /// <returns>0, or the errno.</returns>
    public static int Apply(ulong hostMounts)
    {
        if (ThreadNamespaces.OwnMounts() is var own && (own == 0 || own == hostMounts))
        {
            return Errno.EBUSY;
        }

        fixed (byte* options = Encoding.UTF8.GetBytes("size=4k,nr_inodes=1,mode=0555\0"))
        {
            // Nothing that follows is told to the namespace that this one was copied from.
            if (SystemCalls.Mount(null, "/", null, Recursive | Private, null) != 0
                || SystemCalls.Mount("none", Place, "tmpfs", Inert, options) != 0
                || ConfinementCalls.ChDir(Place) != 0
                || (Exchange() && Replace())
                || ConfinementCalls.ChDir("/") != 0
                || SystemCalls.Mount(null, "/", null, Remount | Bind | ReadOnly | Inert, null) != 0)
            {
                return Errno.Last;
            }
        }

        return 0;
    }

    // pivot_root(2): the old root comes to lie on the new one, from where it is unmounted.
    private static bool Exchange() => ConfinementCalls.PivotRoot(".", ".") != 0 || SystemCalls.Unmount(".", Detach) != 0;

    // A host that runs from its first RAM disk has a root that cannot be exchanged; the new one is laid over it.
    private static bool Replace() => Errno.Last != Errno.EINVAL || SystemCalls.Mount(".", "/", null, Move, null) != 0 || ConfinementCalls.ChRoot(".") != 0;
}
