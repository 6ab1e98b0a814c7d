using System.Diagnostics.CodeAnalysis;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.UnixSocket;
using ChannelSdk.Transports.VirtioSerial;
using ChannelSdk.Transports.Vsock;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Hybrid;
using ChannelSdk.Transports.Vsock.Kernel;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Transports.Schemes;

/// <summary>The transports of the SDK. A new one is one more line in one of the tables.</summary>
public static class TransportEndpoints
{
    /// <summary>
    /// Whether this program may be a host's. The agent's build says no, so that devices, taps and sockets of the host are left out of
    /// it.
    /// </summary>
    [FeatureSwitchDefinition("ChannelSdk.HostTransports")]
    private static bool IsHostHere => !AppContext.TryGetSwitch("ChannelSdk.HostTransports", out var isOn) || isOn;

    /// <summary>Their schemes. A program that has transports of its own makes its table of these: <c>Default.With(...)</c>.</summary>
    public static EndpointSchemes Default { get; } = new(IsHostHere ? [.. Both(), .. Host()] : Both(), offersGuests: !IsHostHere);

    /// <summary>Makes the endpoint of a URI. Nothing is dialled, bound or opened before its first OpenAsync.</summary>
    /// <param name="uri">For instance <c>unix:///run/channel.sock</c> or <c>virtio-port://org.channelsdk.agent.0</c>.</param>
    /// <exception cref="ChannelException">The URI cannot be understood (<see cref="ChannelError.BadEndpointUri"/>); the text says what is wrong and what is allowed.</exception>
    public static ITransportEndpoint Create(string uri) => Default.Create(uri);

    private static EndpointScheme[] Both() =>
    [
        new("unix", TargetForm.Path, "unix:///run/channel.sock", uri => new UnixDialEndpoint(new UnixSocketAddress(
            uri.Scheme, uri.Target, "start the program that listens there first"))),
        new("unix-listen", TargetForm.Path, "unix-listen:///run/channel.sock", uri => new UnixListenEndpoint(new UnixSocketAddress(
            uri.Scheme, uri.Target, "make the directory that the socket shall be in"))),
        new(VirtioPortEndpoint.Scheme, TargetForm.NameOrPath, "virtio-port://org.channelsdk.agent.0",
            uri => new VirtioPortEndpoint(uri.ToString(), uri.Target, new VirtioPortLocator()), IsGuests: true),
        new(TcpDialEndpoint.Scheme, TargetForm.Own, "tcp://169.254.169.254:9254",
            LinkLocalSchemes.Dial, IsGuests: true),
        new(TcpListener.Scheme, TargetForm.Own, "tcp-listen://127.0.0.1:9254", LinkLocalSchemes.Listen),
        new(VsockDialEndpoint.Scheme, TargetForm.Own, "vsock://2:5000",
            uri => new VsockDialEndpoint(uri.ToString(), VsockAddress.Parse(uri, uri.Target, takesAny: false))),
        new(VsockListenEndpoint.Scheme, TargetForm.Own, "vsock-listen://2:5000",
            uri => new VsockListenEndpoint(uri)),
        new(VchanAddress.DialScheme, TargetForm.Own, "vchan://3/org.channelsdk.agent.0",
            uri => IsHostHere ? new VchanLeaseEndpoint(uri.ToString(), VchanAddress.Parse(uri, isListen: false), new XenDevices())
                : new VchanDialEndpoint(uri.ToString(), VchanAddress.Parse(uri, isListen: false), new XenDevices())),
        new(VchanAddress.ListenScheme, TargetForm.Own, "vchan-listen://0/org.channelsdk.agent.0",
            uri => new VchanListenEndpoint(uri.ToString(), VchanAddress.Parse(uri, isListen: true), new XenDevices()), IsGuests: true),
    ];

    private static EndpointScheme[] Host() =>
    [
        new(VirtioSerialHost.DialScheme, TargetForm.Path, "virtio-serial:///run/vm1.sock",
            uri => VirtioSerialHost.Dial(uri.Target)),
        new(VirtioSerialHost.ListenScheme, TargetForm.Path, "virtio-serial-listen:///run/vm1.sock",
            uri => VirtioSerialHost.Listen(uri.Target)),
        new(LinkLocalSchemes.Tap, TargetForm.Own, "tap://vm1", LinkLocalSchemes.OnTap),
        new(LinkLocalSchemes.UserNet, TargetForm.PathAndOptions, "usernet:///run/vm1.channel", LinkLocalSchemes.OnUserNet),
        new(HybridDialEndpoint.Scheme, TargetForm.PathAndOptions, "vsock-hybrid:///run/vm1.vsock?port=5000", VsockSchemes.HybridDial),
        new("vsock-hybrid-listen", TargetForm.PathAndOptions, "vsock-hybrid-listen:///run/vm1.vsock?port=5000", VsockSchemes.HybridListen),
        new(VsockDevice.Scheme, TargetForm.PathAndOptions, "vhost-vsock:///run/vm1.vsock?cid=3&port=5000", VsockSchemes.Device),
    ];
}
