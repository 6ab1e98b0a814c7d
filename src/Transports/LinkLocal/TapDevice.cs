using System.Buffers.Binary;
using System.Net;
using System.Text;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>The one tap of a namespace and its addresses. Every method runs inside the namespace.</summary>
internal static unsafe class TapDevice
{
    /// <summary>The device's name, the same in every namespace.</summary>
    internal const string Name = "tap0";

    // linux/if_tun.h and linux/sockios.h
    private const uint TunSetIff = 0x400454CA;
    private const uint TunSetPersist = 0x400454CB;
    private const short TapWithoutHeader = 0x0002 | 0x1000 | 0x4000;
    private const uint GetFlags = 0x8913;
    private const uint SetFlags = 0x8914;
    private const uint SetAddress = 0x8916;
    private const uint SetNetmask = 0x891C;
    private const uint SetHardwareAddress = 0x8924;
    private const uint GetIndex = 0x8933;
    private const short Up = 1;

    // linux/if_arp.h: ARPHRD_ETHER.
    private const ushort Ethernet = 1;

    /// <summary>struct ifreq: 16 bytes of name, then 24 of what the call is about.</summary>
    private const int RequestSize = 40;
    private const int ValueAt = 16;

    private static readonly (string Name, string Value)[] s_v4 =
    [
        ("rp_filter", "1"), ("arp_ignore", "1"), ("route_localnet", "0"), ("accept_local", "0"),
        ("accept_redirects", "0"), ("secure_redirects", "0"), ("send_redirects", "0"),
    ];

    private static readonly (string Name, string Value)[] s_v6 = [("forwarding", "0"), ("accept_ra", "0"), ("accept_redirects", "0")];

    /// <summary>Makes it, unless it is there, gives it its addresses and sees to it that nothing passes through. Idempotent.</summary>
    internal static void Ensure()
    {
        using SafeFd v4 = NewControlSocket(Linux.AF_INET);
        Change(v4, "lo", GetFlags, SetFlags);
        if (!IsHere(v4))
        {
            Create();
        }
        // A new namespace takes these from the first one, where they may be anything.
        // This one first: where it was on, it changes what 'all' says of redirects.
        Set("net/ipv4/ip_forward", "0");
        SetEverywhere("net/ipv4/conf", s_v4);
        SetEverywhere("net/ipv6/conf", s_v6);
        // No address of its own choice, and no wait for somebody who has ours: there is nobody else on this link.
        Set($"net/ipv6/conf/{Name}/addr_gen_mode", "1");
        Set($"net/ipv6/conf/{Name}/accept_dad", "0");
        SetMac(v4, LinkLocalAddresses.HostMac);
        SetV4(v4, SetAddress, LinkLocalAddresses.Host);
        SetV4(v4, SetNetmask, new IPAddress(BinaryPrimitives.ReverseEndianness(uint.MaxValue << (32 - LinkLocalAddresses.PrefixLength))));
        Change(v4, Name, GetFlags, SetFlags);
        if (Directory.Exists("/proc/sys/net/ipv6"))
        {
            SetV6(IndexOf(v4));
        }
    }

    private static void Create()
    {
        int number = Libc.Open("/dev/net/tun", Linux.O_RDWR | Linux.O_CLOEXEC, 0);
        if (number < 0)
        {
            throw Failed("open /dev/net/tun for", Errno.Last);
        }
        using var tun = new SafeFd(number);
        byte* request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(short*)(request + ValueAt) = TapWithoutHeader;
        if (Libc.Ioctl(tun, TunSetIff, request) < 0 || Libc.Ioctl(tun, TunSetPersist, (void*)1) < 0)
        {
            throw Failed("make", Errno.Last);
        }
    }

    /// <summary>The tap's number, which an IPv6 link-local address needs as its scope.</summary>
    internal static int Index()
    {
        using SafeFd socket = NewControlSocket(Linux.AF_INET);
        return IndexOf(socket);
    }

    private static bool IsHere(SafeFd socket)
    {
        byte* request = stackalloc byte[RequestSize];
        Fill(request, Name);
        return Libc.Ioctl(socket, GetFlags, request) == 0;
    }

    private static int IndexOf(SafeFd socket)
    {
        byte* request = stackalloc byte[RequestSize];
        Fill(request, Name);
        return Libc.Ioctl(socket, GetIndex, request) == 0 ? *(int*)(request + ValueAt) : throw Failed("find", Errno.Last);
    }

    private static void Change(SafeFd socket, string device, uint get, uint set)
    {
        byte* request = stackalloc byte[RequestSize];
        Fill(request, device);
        if (Libc.Ioctl(socket, get, request) < 0)
        {
            throw Failed("ask the flags of", Errno.Last);
        }
        *(short*)(request + ValueAt) |= Up;
        if (Libc.Ioctl(socket, set, request) < 0)
        {
            throw Failed("switch on", Errno.Last);
        }
    }

    private static void SetV4(SafeFd socket, uint what, IPAddress address)
    {
        byte* request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(ushort*)(request + ValueAt) = Linux.AF_INET;
        _ = address.TryWriteBytes(new Span<byte>(request + ValueAt + 4, 4), out _);
        if (Libc.Ioctl(socket, what, request) < 0)
        {
            throw Failed("give an address to", Errno.Last);
        }
    }

    private static void SetMac(SafeFd socket, ReadOnlySpan<byte> address)
    {
        byte* request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(ushort*)(request + ValueAt) = Ethernet;
        address.CopyTo(new Span<byte>(request + ValueAt + 2, 6));
        if (Libc.Ioctl(socket, SetHardwareAddress, request) < 0)
        {
            throw Failed("give a MAC address to", Errno.Last);
        }
    }

    private static void SetV6(int index)
    {
        using SafeFd socket = NewControlSocket(Linux.AF_INET6);
        // struct in6_ifreq: address, prefix length, interface.
        byte* request = stackalloc byte[24];
        _ = LinkLocalAddresses.HostV6.TryWriteBytes(new Span<byte>(request, 16), out _);
        *(uint*)(request + 16) = 64;
        *(int*)(request + 20) = index;
        if (Libc.Ioctl(socket, SetAddress, request) < 0 && Errno.Last != Errno.EEXIST)
        {
            throw Failed("give an IPv6 address to", Errno.Last);
        }
    }

    private static SafeFd NewControlSocket(int family)
    {
        int number = Libc.Socket(family, 2 | Linux.SOCK_CLOEXEC, 0);
        return number >= 0 ? new SafeFd(number) : throw Failed("make a socket for", Errno.Last);
    }

    private static void Fill(byte* request, string device)
    {
        new Span<byte>(request, RequestSize).Clear();
        Encoding.ASCII.GetBytes(device, new Span<byte>(request, ValueAt - 1));
    }

    /// <summary>
    /// What holds for a device is of most settings the larger, or either one, of its own and that of 'all', so both are set, and
    /// the one of devices to come. All three are of this namespace and not of the host.
    /// </summary>
    private static void SetEverywhere(string folder, (string Name, string Value)[] settings)
    {
        foreach (string device in (string[])["all", "default", Name])
        {
            foreach ((string name, string value) in settings)
            {
                Set($"{folder}/{device}/{name}", value);
            }
        }
    }

    /// <summary>A kernel without the setting does not have what it is about.</summary>
    private static void Set(string setting, string value)
    {
        string path = $"/proc/sys/{setting}";
        if (File.Exists(path))
        {
            File.WriteAllText(path, value);
        }
    }

    private static ChannelException Failed(string action, int errno) => Errno.ToException(errno, action, $"the tap {Name}",
        errno is Errno.EPERM or Errno.EACCES ? "It takes root, or CAP_NET_ADMIN." : null);
}
