using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Guest.Tests;

/// <summary>A saved guest whose agent dials the host by vsock. The device cannot be saved, so each copy gets its own plugged.</summary>
public sealed class SavedVsockGuest : SavedGuest
{
    public const uint Port = 5000;

    /// <summary>A device with its own socket, listening.</summary>
    public static VsockDevice NewDevice(string name, uint cid = 3, bool anySourcePort = false)
    {
        var device = NewBoundDevice(name, cid, anySourcePort);
        device.Start();
        return device;
    }

    /// <summary>A device with its own socket, which a worker is to serve.</summary>
    public static VsockDevice NewBoundDevice(string name, uint cid = 3, bool anySourcePort = false)
    {
        var device = new VsockDevice(new VsockDeviceOptions
        {
            SocketPath = Path.Combine(Path.GetTempPath(), $"channelsdk-{name}-{Environment.ProcessId}.vsock"),
            GuestCid = cid,
            AnySourcePort = anySourcePort,
        });
        device.Bind();
        return device;
    }

    /// <summary>A copy into which a device is plugged when it is attached: QEMU waits until the device is served, which a worker does.</summary>
    public async Task<AttachedGuest> StartByWorkerAsync(string name)
    {
        var device = NewBoundDevice(name);
        var guest = await RestoreAsync();
        return new AttachedGuest(guest, () => device.Listen(Port), [guest, device]) { IsIsolated = true, Plug = () => guest.PlugVsockAsync(device.SocketPath, Soon) };
    }

    /// <summary>A copy with a device plugged.</summary>
    public async Task<AttachedGuest> StartAsync(string name, uint cid = 3)
    {
        var device = NewDevice(name, cid);
        var guest = await RestoreAsync();
        await guest.PlugVsockAsync(device.SocketPath, Soon);
        return new AttachedGuest(guest, () => device.Listen(Port), [guest, device]);
    }

    protected override QemuOptions Adapt(QemuOptions options) =>
        options with { SharedMemory = true, Append = $"channel.endpoint=vsock://2:{Port}" };
}

[CollectionDefinition("vsock guest", DisableParallelization = true)]
public class VsockGuestCollection : ICollectionFixture<SavedVsockGuest>;
