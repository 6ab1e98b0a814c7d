using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Time;

/// <summary>The methods of the time service (time.proto).</summary>
public static class TimeMethods
{
    /// <summary>time.Get: the guest's clocks.</summary>
    public static RpcMethod<TimeRequest, TimeReply> Get { get; } = new("time.Get", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>time.Set: sets the guest's wall clock.</summary>
    public static RpcMethod<TimeSetRequest, TimeReply> Set { get; } = new("time.Set", StreamClass.Control, isPrivileged: true);
}
