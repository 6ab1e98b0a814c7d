using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>The device files below /dev/xen.</summary>
internal static unsafe class XenFile
{
    internal const string EventChannel = "/dev/xen/evtchn";
    internal const string Map = "/dev/xen/gntdev";
    internal const string Grant = "/dev/xen/gntalloc";
    internal const string Store = "/dev/xen/xenbus";

    /// <summary>Opens one, non-blocking.</summary>
    /// <exception cref="ChannelException">Missing, with the kernel module that makes it (<see cref="ChannelError.EndpointMissing"/>), or denied (<see cref="ChannelError.EndpointDenied"/>).</exception>
    internal static SafeFd Open(string path)
    {
        var fd = FileCalls.Open(path, Abi.O_RDWR | Abi.O_NONBLOCK | Abi.O_CLOEXEC, 0);
        if (fd >= 0)
        {
            return new SafeFd(fd);
        }

        var errno = Errno.Last;
        throw EndpointFault.ToException(errno, "open", path, errno switch
        {
            Errno.ENOENT or Errno.ENXIO or Errno.ENODEV => $"load its kernel module ({Module(path)}), and see whether this is a Xen domain",
            Errno.EACCES or Errno.EPERM => "Xen's devices are root's; run as root, or change the mode of the file",
            _ => null,
        });
    }

    /// <summary>Makes a call; its result.</summary>
    /// <exception cref="ChannelException">It failed: class Retry, since what the other domain gave may have changed.</exception>
    internal static int Control(SafeFd fd, string path, uint request, void* argument, string call)
    {
        var result = DescriptorCalls.Ioctl(fd, request, argument);
        return result >= 0 ? result : throw Failed(path, call, Errno.Last);
    }

    /// <summary>Maps what a call before prepared.</summary>
    internal static byte* MapPages(SafeFd fd, string path, int pages, ulong index)
    {
        var start = SystemCalls.Mmap(null, (nuint)(pages * PageSize), Abi.PROT_READ_WRITE, Abi.MAP_SHARED, fd, (long)index);
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
        ChannelError.TransportFailed, ErrorClass.Retry, $"the {call} of {path} failed: {Errno.Describe(errno)}"
        + (errno is Errno.ENOSPC or Errno.ENOMEM ? "; raise the parameter 'limit' of xen-gntalloc or xen-gntdev, or use smaller rings (order)" : ""));
}
