using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>The device files below /dev/xen.</summary>
internal static unsafe class XenFile
{
    internal const string EventChannel = "/dev/xen/evtchn";
    internal const string Map = "/dev/xen/gntdev";
    internal const string Grant = "/dev/xen/gntalloc";
    internal const string Store = "/dev/xen/xenbus";

    /// <summary>Opens one, non-blocking.</summary>
    /// <exception cref="ChannelException">Missing, with the kernel module that makes it (code 500), or denied (501).</exception>
    internal static SafeFd Open(string path)
    {
        int fd = Libc.Open(path, Linux.O_RDWR | Linux.O_NONBLOCK | Linux.O_CLOEXEC, 0);
        if (fd >= 0)
        {
            return new SafeFd(fd);
        }
        int errno = Errno.Last;
        throw Errno.ToException(errno, "open", path, errno switch
        {
            Errno.ENOENT or Errno.ENXIO or Errno.ENODEV => $"Load its kernel module ({Module(path)}), and see whether this is a Xen domain.",
            Errno.EACCES or Errno.EPERM => "Xen's devices are root's: run as root, or change the mode of the file.",
            _ => null,
        });
    }

    /// <summary>Makes a call; its result.</summary>
    /// <exception cref="ChannelException">It failed: class Retry, since what the other domain gave may have changed.</exception>
    internal static int Control(SafeFd fd, string path, uint request, void* argument, string call)
    {
        int result = Libc.Ioctl(fd, request, argument);
        return result >= 0 ? result : throw Failed(path, call, Errno.Last);
    }

    /// <summary>Maps what a call before prepared.</summary>
    internal static byte* MapPages(SafeFd fd, string path, int pages, ulong index)
    {
        void* start = Libc.Mmap(null, (nuint)(pages * PageSize), Linux.PROT_READ_WRITE, Linux.MAP_SHARED, fd, (long)index);
        return (nint)start != -1 ? (byte*)start : throw Failed(path, "mmap", Errno.Last);
    }

    /// <summary>Bytes of a page of x86.</summary>
    internal const int PageSize = 4096;

    private static string Module(string path) => path switch
    {
        EventChannel => "xen-evtchn",
        Map => "xen-gntdev",
        Grant => "xen-gntalloc",
        _ => "the kernel has it built in with CONFIG_XEN",
    };

    private static ChannelException Failed(string path, string call, int errno) => new(
        ChannelError.TransportFailed, ErrorClass.Retry, $"The {call} of {path} failed: {Errno.Describe(errno)}."
        + (errno is Errno.ENOSPC or Errno.ENOMEM ? " Raise the parameter 'limit' of xen-gntalloc or xen-gntdev, or use smaller rings (order)." : ""));
}
