using System.Buffers.Binary;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Watch;

/// <summary>
/// Tells that something may have changed: the network by the kernel's messages (rtnetlink(7)), disks by its events
/// (NETLINK_KOBJECT_UEVENT), logins by the file that has them. What exactly changed is for the readers of those to find.
/// </summary>
internal sealed unsafe class ChangeSource : IDisposable
{
    // linux/rtnetlink.h: links, addresses and routes of both families.
    private const uint NetworkGroups = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

    // linux/netlink.h
    private const int RouteProtocol = 0;
    private const int EventProtocol = 15;
    private const uint KernelEvents = 1;
    private const string Logins = "/run/utmp";

    // A file and the agent's state have no events: they are polled at this interval.
    private const int LookMs = 1000;
    private const int BufferBytes = 8192;

    private readonly SafeFd _network = Listen(RouteProtocol, NetworkGroups);
    private readonly SafeFd _disks = Listen(EventProtocol, KernelEvents);
    private readonly SafeFileHandle _wake = Descriptor.Event() ?? throw new IOException(Errno.Describe(Errno.Last));
    private FileStamp _logins = FileStamp.Of(Logins);

    /// <summary>Waits until something may have changed, and then for more of it.</summary>
    /// <param name="isOtherwise">Asked once a second whether something else has changed.</param>
    /// <param name="settleMs">How long more is waited for.</param>
    /// <returns>What may have changed; nothing after <see cref="Wake"/>.</returns>
    public ChangedFacts Wait(Func<bool> isOtherwise, int settleMs)
    {
        while (true)
        {
            var parts = Look(LookMs, out var isWoken) | (isOtherwise() ? ChangedFacts.State : 0);
            if (isWoken)
            {
                return ChangedFacts.None;
            }

            if (parts != ChangedFacts.None)
            {
                return Settle(settleMs, out isWoken) is var more && isWoken ? ChangedFacts.None : parts | more;
            }
        }
    }

    /// <summary>Ends a wait, and each later one at once. From any thread.</summary>
    public void Wake()
    {
        ulong one = 1;
        _ = DescriptorCalls.Write(_wake, &one, sizeof(ulong));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _network.Dispose();
        _disks.Dispose();
        _wake.Dispose();
    }

    private ChangedFacts Settle(int milliseconds, out bool isWoken)
    {
        var parts = ChangedFacts.None;
        isWoken = false;
        for (var end = Environment.TickCount64 + milliseconds; !isWoken && end - Environment.TickCount64 is > 0 and var left;)
        {
            parts |= Look((int)left, out isWoken);
        }

        return parts;
    }

    private ChangedFacts Look(int milliseconds, out bool isWoken)
    {
        const int count = 3;
        var watched = stackalloc PollFd[count]
        {
            new PollFd { Fd = (int)_wake.DangerousGetHandle(), Events = Abi.POLLIN },
            new PollFd { Fd = (int)_network.DangerousGetHandle(), Events = Abi.POLLIN },
            new PollFd { Fd = (int)_disks.DangerousGetHandle(), Events = Abi.POLLIN },
        };
        _ = DescriptorCalls.Poll(watched, count, milliseconds);
        isWoken = watched[0].Result != 0;
        var parts = (watched[1].Result != 0 ? Drain(_network, ChangedFacts.Network) : 0) | (watched[2].Result != 0 ? Drain(_disks, ChangedFacts.Disks) : 0);
        var logins = FileStamp.Of(Logins);
        parts |= logins != _logins ? ChangedFacts.Users : 0;
        _logins = logins;
        return parts;
    }

    // Its content does not matter, nor that some of it was lost (ENOBUFS): all is read again.
    private static ChangedFacts Drain(SafeFd socket, ChangedFacts part)
    {
        var buffer = stackalloc byte[BufferBytes];
        while (SocketCalls.Recv(socket, buffer, BufferBytes, Abi.MSG_DONTWAIT) > 0)
        {
        }

        return part;
    }

    // Where the kernel or a sandbox has no such socket, that part is told once and never as changed; poll(2) leaves out a number below 0.
    private static SafeFd Listen(int protocol, uint groups)
    {
        var socket = new SafeFd(SocketCalls.Socket(Abi.AF_NETLINK, Abi.SOCK_RAW | Abi.SOCK_CLOEXEC | Abi.SOCK_NONBLOCK, protocol));
        // struct sockaddr_nl: family, padding, port (0: the kernel chooses), groups.
        var address = stackalloc byte[12];
        var fields = new Span<byte>(address, 12);
        fields.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(fields, Abi.AF_NETLINK);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[8..], groups);
        if (!socket.IsInvalid && SocketCalls.Bind(socket, address, 12) != 0)
        {
            socket.Dispose();
            return new SafeFd(-1);
        }

        return socket;
    }
}
