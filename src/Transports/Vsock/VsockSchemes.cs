using ChannelSdk.Transports.Abstractions;
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
        var port = options.Number("port", 0);
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
        var (path, port) = Hybrid(uri);
        return new HybridDialEndpoint(uri.ToString(), new UnixSocketAddress(uri.Scheme, path,
            "start the virtual machine monitor with a vsock device on that socket"), port);
    }

    internal static ITransportEndpoint HybridListen(EndpointUri uri)
    {
        var (path, port) = Hybrid(uri);
        return new UnixListenEndpoint(new UnixSocketAddress(uri.Scheme, $"{path}_{port}", "make the directory that the socket shall be in"));
    }

    private static (string Path, uint Port) Hybrid(EndpointUri uri)
    {
        var options = new TargetOptions(uri, "port");
        return (options.Path, options.Number("port", 0));
    }
}
