using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Proxy;

/// <summary>What an appliance asks of its host about places that its scripts fetch from (proxy.proto).</summary>
public static class ProxyMethods
{
    /// <summary>
    /// proxy.Connect, called by the guest: the bytes of one connection to its proxy. Fails with <see cref="ChannelError.UnknownMethod"/>
    /// where the host's administrator allows no origin.
    /// </summary>
    public static StreamMethod<ProxyConnectRequest> Connect { get; } = new("proxy.Connect", StreamClass.Bulk);
}
