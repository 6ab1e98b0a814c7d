using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over a virtio-serial port whose bytes a worker reads.</summary>
[Collection("guest")]
public sealed class VirtioSerialByWorkerTests(SavedGuest saved) : AgentTests
{
    protected override async Task<AttachedGuest> StartAsync()
    {
        var guest = await saved.RestoreAsync();
        return new AttachedGuest(guest, () => TransportEndpoints.Create(guest.ChannelUri), [guest]) { IsIsolated = true };
    }
}

/// <summary>The agent in a real guest, over the tap of its namespace, whose bytes a worker reads.</summary>
[Collection("tap guest")]
public sealed class TapByWorkerTests(SavedTapGuest saved) : AgentTests
{
    protected override async Task<AttachedGuest> StartAsync()
    {
        var started = await saved.StartAsync();
        started.IsIsolated = true;
        return started;
    }
}
