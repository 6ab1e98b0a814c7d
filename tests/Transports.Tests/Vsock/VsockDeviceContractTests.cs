using ChannelSdk.Transports.Tests.Contract;
using ChannelSdk.Transports.Vsock.Device;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>The device on both ends: one listens, the other dials, and the guests' rings are joined by a cable.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class VsockDeviceContractTests : AllocationFreeContractTests
{
    public override TransportRig NewRig() => DeviceRig.New(VhostUser.OfferedFeatures);
}

/// <summary>The same with a driver that negotiates neither the event index nor indirect descriptors.</summary>
public sealed class PlainVsockDeviceContractTests : TransportContractTests
{
    public override TransportRig NewRig() => DeviceRig.New(VhostUser.Version1 | VhostUser.ProtocolFeatures);
}

internal static class DeviceRig
{
    internal static TransportRig New(ulong features)
    {
        var directory = new TestDirectory();
        var left = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["l"], AnySourcePort = true });
        var right = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["r"], AnySourcePort = true });
        left.Start();
        right.Start();
        var cable = new DeviceCable(directory["l"], directory["r"], features);
        return new TransportRig(left.Dial(5000), right.Listen(5000))
        {
            Directory = directory,
            Parts = [cable, left, right],
        };
    }
}
