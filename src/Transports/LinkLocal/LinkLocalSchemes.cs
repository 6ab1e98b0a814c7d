using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.UnixSocket;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>Makes the host's endpoints of link-local networks from their URIs.</summary>
internal static class LinkLocalSchemes
{
    internal const string Tap = "tap";
    internal const string UserNet = "usernet";
    private const string TokenFile = "token-file";

    /// <summary>A TCP port, for development and tests.</summary>
    internal static ITransportEndpoint Listen(EndpointUri uri)
    {
        var address = TcpAddress.Parse(uri, uri.Target);
        var text = uri.ToString();
        return new AcceptEndpoint(text, new PeerIdentity(uri.Scheme, uri.Target), () => new TcpListener(address.Listen(text), text));
    }

    /// <summary>The channel's port in the namespace of an instance.</summary>
    internal static ITransportEndpoint OnTap(EndpointUri uri)
    {
        var options = new TargetOptions(uri, TargetOptions.SourcePorts);
        var network = InstanceName.Is(options.Path)
            ? LinkLocalNetwork.Of(options.Path)
            : throw uri.Bad($"its name is not {InstanceName.Rule}");
        var text = uri.ToString();
        return new AcceptEndpoint(text, new PeerIdentity(uri.Scheme, uri.Target),
            () => new TcpListener(network.ListenFd(LinkLocalAddresses.Host, LinkLocalAddresses.ChannelPort, text), text),
            options.TakesAnySourcePort ? null : TcpAddress.PeerPort);
    }

    /// <summary>The socket that the guest forward of QEMU's user network hands connections to.</summary>
    internal static ITransportEndpoint OnUserNet(EndpointUri uri)
    {
        var options = new TargetOptions(uri, TokenFile);
        var file = options.AbsolutePath(TokenFile);
        return OnUserNet(uri.ToString(), options.Path, file is null ? null : () => UserNetToken.Read(file));
    }

    internal static ITransportEndpoint OnUserNet(string uri, string path, Func<UserNetToken>? tokenOf, uint? owner = null) =>
        new AcceptEndpoint(uri, new PeerIdentity(UserNet, path), () => new ForwardSource(
            new UnixSocketAddress(UserNet, path, "make the directory that the socket shall be in") { Owner = owner }), tokenOf: tokenOf);

    /// <summary>The guest's side of both networks.</summary>
    internal static ITransportEndpoint Dial(EndpointUri uri)
    {
        var options = new TargetOptions(uri, TokenFile);
        return new TcpDialEndpoint(uri.ToString(), TcpAddress.Parse(uri, options.Path), new TokenLocator(options.AbsolutePath(TokenFile)));
    }
}
