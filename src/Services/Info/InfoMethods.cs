using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Info;

/// <summary>The methods of the info service (info.proto).</summary>
public static class InfoMethods
{
    /// <summary>info.Ping: a small payload comes back together with the guest's time.</summary>
    public static RpcMethod<PingRequest, PingReply> Ping { get; } = new("info.Ping", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>info.Get: what the guest says of itself. Every field is a claim of an untrusted party.</summary>
    public static RpcMethod<InfoRequest, GuestInfo> Get { get; } = new("info.Get", StreamClass.Control);
}
