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
    private Task? _plugging;

    public QemuGuest Guest => guest;

    /// <summary>Whether the host's session is in a process of its own.</summary>
    public bool IsIsolated { get; set; }

    /// <summary>What is plugged once the endpoint is attached; null for nothing.</summary>
    public Func<Task>? Plug { get; init; }

    /// <summary>The instance of a host whose session is in a process of its own.</summary>
    public Instance AttachByWorker()
    {
        var instance = new ChannelHost().Attach("vm1", endpoint(), new InstanceOptions { Isolation = HostIsolation.Worker, Worker = new WorkerOptions { Program = Path.Combine(SavedGuest.FindRoot(), "artifacts/host/channel-worker") } });
        _plugging ??= Plug?.Invoke();
        return instance;
    }

    /// <summary>A started channel of a host.</summary>
    public Channel Attach(Func<ITransportEndpoint, ITransportEndpoint>? wrap = null)
    {
        if (IsIsolated)
        {
            return AttachByWorker().Channel;
        }

        var made = endpoint();
        var channel = new Channel(PeerRole.Host, wrap?.Invoke(made) ?? made, new ServiceRegistry());
        channel.Start();
        return channel;
    }

    public async ValueTask DisposeAsync()
    {
        if (_plugging is { } plugging)
        {
            await plugging;
        }

        foreach (var part in parts)
        {
            await part.DisposeAsync();
        }
    }
}
