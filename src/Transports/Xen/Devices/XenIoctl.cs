using System.Runtime.InteropServices;

namespace ChannelSdk.Transports.Xen.Devices;

/// <summary>
/// The ioctls of /dev/xen/evtchn, gntdev and gntalloc on x86-64, from the kernel's include/uapi/xen/{evtchn,gntdev,gntalloc}.h.
/// All are _IOC_NONE: the number is the size of the structure, shifted by 16, then the device's letter and the call. A
/// structure that ends with a list counts with one entry, however many follow.
/// </summary>
internal static class XenIoctl
{
    internal const uint EvtchnBindInterdomain = 0x00084501;
    internal const uint EvtchnBindUnboundPort = 0x00044502;
    internal const uint EvtchnNotify = 0x00044504;
    internal const uint EvtchnRestrictDomain = 0x00024506;
    internal const uint GntdevMapGrantRef = 0x00184700;
    internal const uint GntallocAllocGref = 0x00184705;

    /// <summary>The same number on both devices.</summary>
    internal const uint SetUnmapNotify = 0x00104707;

    /// <summary>GNTALLOC_FLAG_WRITABLE.</summary>
    internal const ushort FlagWritable = 1;

    /// <summary>UNMAP_NOTIFY_SEND_EVENT, and UNMAP_NOTIFY_CLEAR_BYTE with it.</summary>
    internal const uint SendEvent = 2;
    internal const uint ClearByteAndSendEvent = 1 | SendEvent;
}

/// <summary>struct ioctl_evtchn_bind_interdomain.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EvtchnBindInterdomain
{
    public uint RemoteDomain;
    public uint RemotePort;
}

/// <summary>struct ioctl_gntdev_map_grant_ref without its list of <see cref="GntdevGrantRef"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GntdevMapHeader
{
    public uint Count;
    public uint Padding;
    public ulong Index;
}

/// <summary>struct ioctl_gntdev_grant_ref.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GntdevGrantRef
{
    public uint Domain;
    public uint Reference;
}

/// <summary>struct ioctl_gntalloc_alloc_gref without its list of references.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GntallocHeader
{
    public ushort Domain;
    public ushort Flags;
    public uint Count;
    public ulong Index;
}

/// <summary>struct ioctl_gntdev_unmap_notify and struct ioctl_gntalloc_unmap_notify.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UnmapNotify
{
    public ulong Index;
    public uint Action;
    public uint EventPort;
}
