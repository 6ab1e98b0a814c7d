using ChannelSdk.Linux.Native;
using ChannelSdk.Transports.Tests.Vsock;
using ChannelSdk.Transports.Vsock.Packets;

namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A monitor whose call eventfd is full and blocking: a write(2) to it never returns.</summary>
internal sealed unsafe class FullCallMonitor(string devicePath) : IHostilePeer
{
    private static readonly TimeSpan s_answered = TimeSpan.FromSeconds(10);
    private readonly GuestDouble _guest = new(devicePath);
    private uint _port = 1024;

    public void Attack()
    {
        var flags = DescriptorCalls.Fcntl(_guest.Interrupt, Abi.F_GETFL, 0);
        var full = ulong.MaxValue - 1;
        ulong before;
        // Full already, unless this is the first round.
        _ = DescriptorCalls.Read(_guest.Interrupt, &before, sizeof(ulong));
        _ = DescriptorCalls.Write(_guest.Interrupt, &full, sizeof(ulong));
        _ = DescriptorCalls.Fcntl(_guest.Interrupt, Abi.F_SETFL, flags & ~Abi.O_NONBLOCK);
        // Any answer of the device interrupts, at once when it is there to be seen.
        _guest.Say(DeviceBench.Header(VsockOperation.Request, ++_port));
        _ = SpinWait.SpinUntil(() => _guest.TryPeek(out _, out _), s_answered);
        while (_guest.TryPeek(out _, out _))
        {
            _guest.Take();
        }
    }

    public void Dispose()
    {
        // A thread that waits in a write(2) goes on, so that a failed test ends.
        ulong count;
        _ = DescriptorCalls.Fcntl(_guest.Interrupt, Abi.F_SETFL, Abi.O_NONBLOCK);
        _ = DescriptorCalls.Read(_guest.Interrupt, &count, sizeof(ulong));
        _guest.Dispose();
    }
}
