using System.Diagnostics.CodeAnalysis;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.UnixSocket;
using ChannelSdk.Transports.VirtioSerial;
using ChannelSdk.Transports.Vsock;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Hybrid;
using ChannelSdk.Transports.Vsock.Kernel;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Vchan;

namespace ChannelSdk.Transports;

/// <summary>A transport that a URI can name. A new transport is one more line in one of the tables.</summary>
/// <param name="Name">The URI scheme.</param>
/// <param name="Form">What its target is.</param>
/// <param name="Example">An example for error texts.</param>
/// <param name="Make">Makes the endpoint. Opens nothing yet.</param>
/// <param name="IsGuests">Only a guest has it: a host's error texts do not offer it.</param>
internal sealed record EndpointScheme(
    string Name, TargetForm Form, string Example, Func<EndpointUri, ITransportEndpoint> Make, bool IsGuests = false)
{
    private static readonly EndpointScheme[] s_all = IsHostHere ? [.. Both(), .. Host()] : Both();

    /// <summary>
    /// Whether this program may be a host's. The agent's build says no, so that devices, taps and sockets of the host are left out of
    /// it.
    /// </summary>
    [FeatureSwitchDefinition("ChannelSdk.HostTransports")]
    private static bool IsHostHere => !AppContext.TryGetSwitch("ChannelSdk.HostTransports", out bool isOn) || isOn;

    /// <summary>An example of each scheme that this program has a use for.</summary>
    internal static string KnownList { get; } = string.Join(", ", Offered.Select(scheme => scheme.Example));

    private static IEnumerable<EndpointScheme> Offered => s_all.Where(scheme => !(IsHostHere && scheme.IsGuests));

    /// <summary>What somebody who mistyped a scheme most likely meant, or null.</summary>
    internal static string? Nearest(string name) => NearestName.Of(name, Offered.Select(scheme => scheme.Name));

    internal static IEnumerable<string> Names => Array.ConvertAll(s_all, scheme => scheme.Name);

    internal static EndpointScheme? Find(string name) =>
        Array.Find(s_all, scheme => string.Equals(scheme.Name, name, StringComparison.OrdinalIgnoreCase));

    private static EndpointScheme[] Both() =>
    [
        new("unix", TargetForm.Path, "unix:///run/channel.sock", uri => new UnixDialEndpoint(new UnixSocketPlace(
            uri.Scheme, uri.Target, "Start the program that listens there first."))),
        new("unix-listen", TargetForm.Path, "unix-listen:///run/channel.sock", uri => new UnixListenEndpoint(new UnixSocketPlace(
            uri.Scheme, uri.Target, "Make the directory that the socket shall be in."))),
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
            uri => new VchanDialEndpoint(uri.ToString(), VchanAddress.Parse(uri, isListen: false), new XenDevices())),
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
