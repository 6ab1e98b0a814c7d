using ChannelSdk.Transports.UnixSocket;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Hybrid;

namespace ChannelSdk.Transports.Vsock;

/// <summary>Makes the vsock endpoints of URIs.</summary>
internal static class VsockSchemes
{
    internal static ITransportEndpoint Device(EndpointUri uri)
    {
        var options = new TargetOptions(uri, "cid", "port", "hybrid", "max-memory-mib", TargetOptions.SourcePorts);
        uint port = options.Number("port", 0);
        var device = new VsockDevice(new VsockDeviceOptions
        {
            SocketPath = options.Path,
            GuestCid = options.Number("cid", VsockDeviceOptions.MinGuestCid, VsockDeviceOptions.MinGuestCid),
            MaxMemory = (long)options.Number("max-memory-mib", 1, 1 << 20) << 20,
            AnySourcePort = options.TakesAnySourcePort,
            HybridPath = options.AbsolutePath("hybrid"),
        });
        return new VsockDeviceListener(device, port, ownsDevice: true);
    }

    internal static ITransportEndpoint HybridDial(EndpointUri uri)
    {
        (string path, uint port) = Hybrid(uri);
        return new HybridDialEndpoint(uri.ToString(), new UnixSocketPlace(uri.Scheme, path,
            "Start the virtual machine monitor with a vsock device on that socket."), port);
    }

    internal static ITransportEndpoint HybridListen(EndpointUri uri)
    {
        (string path, uint port) = Hybrid(uri);
        return new UnixListenEndpoint(new UnixSocketPlace(uri.Scheme, $"{path}_{port}", "Make the directory that the socket shall be in."));
    }

    private static (string Path, uint Port) Hybrid(EndpointUri uri)
    {
        var options = new TargetOptions(uri, "port");
        return (options.Path, options.Number("port", 0));
    }
}
