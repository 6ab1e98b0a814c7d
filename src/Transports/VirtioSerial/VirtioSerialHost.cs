using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.VirtioSerial;

/// <summary>
/// The host side of a virtio-serial port: the Unix socket of QEMU's chardev. QEMU tells nothing on it of the guest
/// opening, closing or reopening the port, so a link here is one period of our connection to QEMU, not to the agent.
/// </summary>
internal static class VirtioSerialHost
{
    internal const string DialScheme = "virtio-serial";
    internal const string ListenScheme = "virtio-serial-listen";

    /// <summary>For <c>-chardev socket,path=...,server=on</c>.</summary>
    internal static ITransportEndpoint Dial(string path) => new UnixDialEndpoint(new UnixSocketAddress(DialScheme, path,
        $"start QEMU with -chardev socket,id=chan0,path={path},server=on,wait=off and a virtserialport on it"));

    /// <summary>For <c>-chardev socket,path=...,reconnect=1</c>.</summary>
    internal static ITransportEndpoint Listen(string path) => new UnixListenEndpoint(new UnixSocketAddress(ListenScheme,
        path, $"give QEMU -chardev socket,id=chan0,path={path},reconnect=1"), hasCandidates: false);
}
