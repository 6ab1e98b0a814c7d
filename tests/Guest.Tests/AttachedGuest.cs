using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Workers;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>A running guest and the way to its agent.</summary>
/// <param name="guest">The guest.</param>
/// <param name="endpoint">Makes the host's endpoint.</param>
/// <param name="parts">What ends with it, in this order.</param>
public sealed class AttachedGuest(QemuGuest guest, Func<ITransportEndpoint> endpoint, IReadOnlyList<IAsyncDisposable> parts) : IAsyncDisposable
{
    public QemuGuest Guest => guest;

    /// <summary>Whether the host's session is in a process of its own.</summary>
    public bool IsIsolated { get; set; }

    /// <summary>A started channel of a host.</summary>
    public Channel Attach(Func<ITransportEndpoint, ITransportEndpoint>? wrap = null)
    {
        var made = endpoint();
        if (IsIsolated)
        {
            return new ChannelHost().Attach("vm1", made, new InstanceOptions { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = Path.Combine(SavedGuest.FindRoot(), "artifacts/host/channel-worker") } }).Channel;
        }

        var channel = new Channel(PeerRole.Host, wrap?.Invoke(made) ?? made, new ServiceRegistry());
        channel.Start();
        return channel;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in parts)
        {
            await part.DisposeAsync();
        }
    }
}
