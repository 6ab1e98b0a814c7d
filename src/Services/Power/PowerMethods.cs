using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Power;

/// <summary>The methods of the power service (power.proto).</summary>
public static class PowerMethods
{
    /// <summary>
    /// power.Request: shutdown, reboot or halt; the reply says that the guest accepted, not that it is gone. Fails with
    /// <see cref="ChannelError.FailedPrecondition"/> while an action is under way and with
    /// <see cref="ChannelError.PermissionDenied"/> where the image forbids it.
    /// </summary>
    public static RpcMethod<PowerCommand, PowerReply> Request { get; } = new("power.Request", StreamClass.Control, isPrivileged: true, permission: Permissions.Power);
}
