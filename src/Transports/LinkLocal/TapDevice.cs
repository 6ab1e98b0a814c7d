using System.Buffers.Binary;
using System.Net;
using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

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
    private const uint SetAddress = 0x8916;
    private const uint SetNetmask = 0x891C;
    private const uint SetHardwareAddress = 0x8924;
    private const uint GetIndex = 0x8933;

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
        using var v4 = NewControlSocket(Abi.AF_INET);
        SwitchOn(NetworkDevice.Loopback);
        if (!IsHere(v4))
        {
            Create();
        }
        // A new namespace takes these from the first one, where they may be anything.
        // This one first: where it was on, it changes what 'all' says of redirects.
        Set("net/ipv4/ip_forward", "0");
        SetEverywhere("net/ipv4/conf", s_v4);
        SetEverywhere("net/ipv6/conf", s_v6);
        // No address of the kernel's choice, and no duplicate address detection: there is no other machine on this link.
        Set($"net/ipv6/conf/{Name}/addr_gen_mode", "1");
        Set($"net/ipv6/conf/{Name}/accept_dad", "0");
        SetMac(v4, LinkLocalAddresses.HostMac);
        SetV4(v4, SetAddress, LinkLocalAddresses.Host);
        SetV4(v4, SetNetmask, new IPAddress(BinaryPrimitives.ReverseEndianness(uint.MaxValue << (32 - LinkLocalAddresses.PrefixLength))));
        SwitchOn(Name);
        if (Directory.Exists("/proc/sys/net/ipv6"))
        {
            SetV6(IndexOf(v4));
        }
    }

    /// <summary>Opens it for a program that is given it open, as QEMU; one at a time.</summary>
    internal static SafeFd Open()
    {
        var tun = OpenTun();
        if (Attach(tun))
        {
            return tun;
        }

        var error = Errno.Last;
        tun.Dispose();
        throw Failed("open", error);
    }

    private static void Create()
    {
        using var tun = OpenTun();
        if (!Attach(tun) || DescriptorCalls.Ioctl(tun, TunSetPersist, (void*)1) < 0)
        {
            throw Failed("make", Errno.Last);
        }
    }

    private static SafeFd OpenTun()
    {
        var number = FileCalls.Open("/dev/net/tun", Abi.O_RDWR | Abi.O_CLOEXEC, 0);
        if (number < 0)
        {
            throw Failed("open /dev/net/tun for", Errno.Last);
        }

        return new SafeFd(number);
    }

    private static bool Attach(SafeFd tun)
    {
        var request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(short*)(request + ValueAt) = TapWithoutHeader;
        return DescriptorCalls.Ioctl(tun, TunSetIff, request) >= 0;
    }

    /// <summary>The tap's number, which an IPv6 link-local address needs as its scope.</summary>
    internal static int Index()
    {
        using var socket = NewControlSocket(Abi.AF_INET);
        return IndexOf(socket);
    }

    private static bool IsHere(SafeFd socket)
    {
        var request = stackalloc byte[RequestSize];
        Fill(request, Name);
        return DescriptorCalls.Ioctl(socket, GetFlags, request) == 0;
    }

    private static int IndexOf(SafeFd socket)
    {
        var request = stackalloc byte[RequestSize];
        Fill(request, Name);
        return DescriptorCalls.Ioctl(socket, GetIndex, request) == 0 ? *(int*)(request + ValueAt) : throw Failed("find", Errno.Last);
    }

    private static void SwitchOn(string device)
    {
        if (NetworkDevice.SwitchOn(device) is not 0 and var error)
        {
            throw Failed("switch on", error);
        }
    }

    private static void SetV4(SafeFd socket, uint what, IPAddress address)
    {
        var request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(ushort*)(request + ValueAt) = Abi.AF_INET;
        _ = address.TryWriteBytes(new Span<byte>(request + ValueAt + 4, 4), out _);
        if (DescriptorCalls.Ioctl(socket, what, request) < 0)
        {
            throw Failed("give an address to", Errno.Last);
        }
    }

    private static void SetMac(SafeFd socket, ReadOnlySpan<byte> address)
    {
        var request = stackalloc byte[RequestSize];
        Fill(request, Name);
        *(ushort*)(request + ValueAt) = Ethernet;
        address.CopyTo(new Span<byte>(request + ValueAt + 2, 6));
        if (DescriptorCalls.Ioctl(socket, SetHardwareAddress, request) < 0)
        {
            throw Failed("give a MAC address to", Errno.Last);
        }
    }

    private static void SetV6(int index)
    {
        using var socket = NewControlSocket(Abi.AF_INET6);
        // struct in6_ifreq: address, prefix length, interface.
        var request = stackalloc byte[24];
        _ = LinkLocalAddresses.HostV6.TryWriteBytes(new Span<byte>(request, 16), out _);
        *(uint*)(request + 16) = 64;
        *(int*)(request + 20) = index;
        if (DescriptorCalls.Ioctl(socket, SetAddress, request) < 0 && Errno.Last != Errno.EEXIST)
        {
            throw Failed("give an IPv6 address to", Errno.Last);
        }
    }

    private static SafeFd NewControlSocket(int family)
    {
        var number = SocketCalls.Socket(family, 2 | Abi.SOCK_CLOEXEC, 0);
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
        foreach (var device in (string[])["all", "default", Name])
        {
            foreach (var (name, value) in settings)
            {
                Set($"{folder}/{device}/{name}", value);
            }
        }
    }

    /// <summary>A kernel without the setting does not have the feature.</summary>
    private static void Set(string setting, string value)
    {
        var path = $"/proc/sys/{setting}";
        if (File.Exists(path))
        {
            File.WriteAllText(path, value);
        }
    }

    private static ChannelException Failed(string action, int errno) => EndpointFault.ToException(errno, action, $"the tap {Name}",
        errno is Errno.EPERM or Errno.EACCES ? "it takes root, or CAP_NET_ADMIN" : null);
}
