using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Freeze;

/// <summary>The methods of the freeze service (freeze.proto).</summary>
public static class FreezeMethods
{
    /// <summary>
    /// freeze.Freeze: file systems stand still under a lease (freeze.proto). A reply with a failure means that nothing is frozen.
    /// </summary>
    public static RpcMethod<FreezeRequest, FreezeReport> Freeze { get; } = new("freeze.Freeze", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Thaw: fails with <see cref="ChannelError.FailedPrecondition"/> if nothing is frozen, and says how the freeze ended.</summary>
    public static RpcMethod<ThawRequest, FreezeReport> Thaw { get; } = new("freeze.Thaw", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Renew: renews the lease.</summary>
    public static RpcMethod<RenewRequest, FreezeReport> Renew { get; } = new("freeze.Renew", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Status: whether the guest is frozen, what is, and how the last freeze ended.</summary>
    public static RpcMethod<FreezeStatusRequest, FreezeReport> Status { get; } = new("freeze.Status", StreamClass.Control, isServedWhileFrozen: true);
}
