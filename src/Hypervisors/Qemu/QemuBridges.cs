using System.Security.Cryptography;
using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>Joins the taps that a QEMU has made to bridges of this host. A tap is QEMU's and goes with it, so there is nothing to be removed.</summary>
/// <param name="instance">Name of the instance, which the names of the taps are made of.</param>
/// <param name="nics">Its network interfaces.</param>
internal sealed unsafe class QemuBridges(string instance, IReadOnlyList<MachineNic> nics)
{
    // linux/sockios.h
    private const uint GetFlags = 0x8913;
    private const uint SetFlags = 0x8914;
    private const uint GetIndex = 0x8933;
    private const uint AddPort = 0x89A2;
    private const short Up = 1;

    /// <summary>struct ifreq: 16 bytes of name, then 24 of what the call is about.</summary>
    private const int RequestSize = 40;
    private const int NameSize = 16;

    /// <summary>Name of an interface's tap: at most 15 characters, of the instance's own.</summary>
    public string TapOf(int nic) => FormattableString.Invariant($"cs{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(instance)).AsSpan(0, 4))}n{nic}");

    /// <summary>Joins all of them; QEMU must have made its taps, and the guest should not run yet.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.FailedPrecondition"/>: a bridge is not there, or takes no port.</exception>
    public void Join()
    {
        foreach (var (i, nic) in nics.Index())
        {
            if (nic.Bridge is { } bridge)
            {
                Join(TapOf(i), bridge);
            }
        }
    }

    private static void Join(string tap, string bridge)
    {
        using var socket = new SafeFd(SocketCalls.Socket(Abi.AF_INET, Abi.SOCK_DGRAM | Abi.SOCK_CLOEXEC, 0));
        var request = stackalloc byte[RequestSize];
        Fill(request, tap);
        if (DescriptorCalls.Ioctl(socket, GetIndex, request) < 0)
        {
            throw Failed(tap, bridge, Errno.Last);
        }

        var index = *(int*)(request + NameSize);
        Fill(request, bridge);
        *(int*)(request + NameSize) = index;
        if (DescriptorCalls.Ioctl(socket, AddPort, request) < 0)
        {
            throw Failed(tap, bridge, Errno.Last);
        }

        Fill(request, tap);
        var isKnown = DescriptorCalls.Ioctl(socket, GetFlags, request) == 0;
        *(short*)(request + NameSize) |= Up;
        if (!isKnown || DescriptorCalls.Ioctl(socket, SetFlags, request) < 0)
        {
            throw Failed(tap, bridge, Errno.Last);
        }
    }

    private static void Fill(byte* request, string name)
    {
        new Span<byte>(request, RequestSize).Clear();
        _ = Encoding.ASCII.GetBytes(name.AsSpan(0, Math.Min(name.Length, NameSize - 1)), new Span<byte>(request, NameSize));
    }

    private static ChannelException Failed(string tap, string bridge, int error) => new(ChannelError.FailedPrecondition, ErrorClass.Refused,
        $"the network interface {tap} cannot be joined to {bridge}: {Errno.Describe(error)}; is it a bridge of this host, and this program root's?");
}
