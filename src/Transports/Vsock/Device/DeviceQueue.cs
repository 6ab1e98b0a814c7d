using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>A running queue with the descriptor that interrupts the guest.</summary>
/// <param name="ring">The ring.</param>
/// <param name="call">The eventfd that interrupts, owned by the caller that set it; null if the guest polls.</param>
internal sealed class DeviceQueue(SplitQueue ring, SafeFd? call)
{
    internal SplitQueue Ring => ring;

    /// <summary>The eventfd that interrupts; it may be exchanged while the queue runs.</summary>
    internal SafeFd? Call { get; set; } = call;

    /// <summary>Shows the guest what was given back, and interrupts it if it wants that.</summary>
    internal void Publish()
    {
        if (ring.HasUnpublished && ring.Publish() && Call is { } fd)
        {
            EventSignal.Signal(fd);
        }
    }
}
