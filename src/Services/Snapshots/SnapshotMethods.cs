using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Snapshots;

/// <summary>The methods of the snapshot service (snapshot.proto).</summary>
public static class SnapshotMethods
{
    /// <summary>snapshot.Prepare: brings a guest to rest for a snapshot, under a lease. A reply with a failure means that nothing is prepared.</summary>
    public static RpcMethod<PrepareRequest, SnapshotReport> Prepare { get; } = new("snapshot.Prepare", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>snapshot.Renew: renews the lease of what is prepared.</summary>
    public static RpcMethod<SnapshotRenewRequest, SnapshotReport> Renew { get; } = new("snapshot.Renew", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>
    /// snapshot.Complete: ends what was prepared, and repairs a restored guest or a clone. Fails with <see cref="ChannelError.FailedPrecondition"/>
    /// if what was prepared has ended by itself, or for a generation that the guest has left.
    /// </summary>
    public static RpcMethod<CompleteRequest, SnapshotReport> Complete { get; } = new("snapshot.Complete", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>snapshot.Status: what is prepared, the generation, and how the last repair went.</summary>
    public static RpcMethod<SnapshotStatusRequest, SnapshotReport> Status { get; } = new("snapshot.Status", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>snapshot.Inquire, which a host serves: whether the guest that asks is a copy, and which.</summary>
    public static RpcMethod<InquireRequest, InquireReply> Inquire { get; } = new("snapshot.Inquire", StreamClass.Control, isServedWhileFrozen: true);
}
