using ChannelSdk.Transports.Vsock.Device;

namespace ChannelSdk.Transports.Vsock;

/// <summary>Makes the vsock endpoints of URIs.</summary>
internal static class VsockSchemes
{
    internal static ITransportEndpoint Device(EndpointUri uri)
    {
        var options = new TargetOptions(uri, "cid", "port");
        uint port = options.Number("port", 0);
        var device = new VsockDevice(new VsockDeviceOptions
        {
            SocketPath = options.Path,
            GuestCid = options.Number("cid", VsockDeviceOptions.MinGuestCid, VsockDeviceOptions.MinGuestCid),
        });
        return new VsockDeviceListener(device, port, ownsDevice: true);
    }
}
