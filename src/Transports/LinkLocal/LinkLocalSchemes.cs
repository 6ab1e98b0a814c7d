using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Makes the host's endpoints of link-local networks from their URIs.</summary>
internal static class LinkLocalSchemes
{
    internal const string Tap = "tap";
    internal const string UserNet = "usernet";

    /// <summary>A TCP port, for development and tests.</summary>
    internal static ITransportEndpoint Listen(EndpointUri uri)
    {
        var address = TcpAddress.Parse(uri);
        var text = uri.ToString();
        return new AcceptEndpoint(text, new PeerIdentity(uri.Scheme, uri.Target), () => new TcpListener(address.Listen(text), text));
    }

    /// <summary>The channel's port in the namespace of an instance.</summary>
    internal static ITransportEndpoint OnTap(EndpointUri uri)
    {
        var options = new TargetOptions(uri, TargetOptions.SourcePorts);
        LinkLocalNetwork network = InstanceName.Is(options.Path)
            ? LinkLocalNetwork.Of(options.Path)
            : throw uri.Bad($"its name is not {InstanceName.Rule}");
        var text = uri.ToString();
        return new AcceptEndpoint(text, new PeerIdentity(uri.Scheme, uri.Target),
            () => new TcpListener(network.ListenFd(LinkLocalAddresses.Host, LinkLocalAddresses.ChannelPort, text), text),
            options.TakesAnySourcePort ? null : TcpAddress.PeerPort);
    }

    /// <summary>The socket that the guest forward of QEMU's user network hands connections to.</summary>
    internal static ITransportEndpoint OnUserNet(EndpointUri uri) =>
        new AcceptEndpoint(uri.ToString(), new PeerIdentity(uri.Scheme, uri.Target), () => new ForwardSource(
            new UnixSocketPlace(uri.Scheme, uri.Target, "Make the directory that the socket shall be in.")));
}
