using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Runtime;

/// <summary>
/// The methods of the built-in services: the name on the wire, the message types, the priority class, whether a call is noted and
/// whether it is served while frozen, in one place for both sides. The contracts are in <c>protocol/services/*.proto</c>.
/// </summary>
public static class ServiceMethods
{
    /// <summary>info.Ping: a small payload comes back together with the guest's time.</summary>
    public static RpcMethod<PingRequest, PingReply> InfoPing { get; } = new("info.Ping", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>info.Get: what the guest says of itself. Every field is a claim of an untrusted party.</summary>
    public static RpcMethod<InfoRequest, GuestInfo> InfoGet { get; } = new("info.Get", StreamClass.Control);

    /// <summary>
    /// power.Request: shutdown, reboot or halt; the reply says that the guest accepted, not that it is gone. Fails with
    /// <see cref="ChannelError.FailedPrecondition"/> while an action is under way and with
    /// <see cref="ChannelError.PermissionDenied"/> where the image forbids it.
    /// </summary>
    public static RpcMethod<PowerCommand, PowerReply> PowerRequest { get; } = new("power.Request", StreamClass.Control, isPrivileged: true);

    /// <summary>
    /// freeze.Freeze: file systems stand still under a lease (freeze.proto). A reply with a failure means that nothing is frozen.
    /// </summary>
    public static RpcMethod<FreezeRequest, FreezeReport> FreezeFreeze { get; } = new("freeze.Freeze", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Thaw: fails with <see cref="ChannelError.FailedPrecondition"/> if nothing is frozen, and says how the freeze ended.</summary>
    public static RpcMethod<ThawRequest, FreezeReport> FreezeThaw { get; } = new("freeze.Thaw", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Renew: the lease has its time anew.</summary>
    public static RpcMethod<RenewRequest, FreezeReport> FreezeRenew { get; } = new("freeze.Renew", StreamClass.Control, isPrivileged: true, isServedWhileFrozen: true);

    /// <summary>freeze.Status: whether the guest is frozen, what is, and how the last freeze ended.</summary>
    public static RpcMethod<FreezeStatusRequest, FreezeReport> FreezeStatus { get; } = new("freeze.Status", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>time.Get: the guest's clocks.</summary>
    public static RpcMethod<TimeRequest, TimeReply> TimeGet { get; } = new("time.Get", StreamClass.Control, isServedWhileFrozen: true);

    /// <summary>time.Set: sets the guest's wall clock.</summary>
    public static RpcMethod<TimeSetRequest, TimeReply> TimeSet { get; } = new("time.Set", StreamClass.Control, isPrivileged: true);

    /// <summary>storage.Trim: unused blocks go back to the storage below the guest.</summary>
    public static RpcMethod<TrimRequest, TrimReply> StorageTrim { get; } = new("storage.Trim", StreamClass.Control, isPrivileged: true);

    /// <summary>measure.Echo: a payload of up to one message comes back.</summary>
    public static RpcMethod<EchoRequest, EchoReply> MeasureEcho { get; } = new("measure.Echo", StreamClass.Rpc);

    /// <summary>
    /// measure.Sink: raw messages to the guest, which counts them; at their end it sends one message, a
    /// <see cref="SinkReport"/>.
    /// </summary>
    public static StreamMethod<SinkRequest> MeasureSink { get; } = new("measure.Sink", StreamClass.Bulk);

    /// <summary>measure.Source: as many bytes of <see cref="MeasurePattern"/> from the guest as the request says.</summary>
    public static StreamMethod<SourceRequest> MeasureSource { get; } = new("measure.Source", StreamClass.Bulk);

    /// <summary>
    /// metadata.Relay, called by the guest: the bytes of one HTTP connection that its agent accepted. Fails with
    /// <see cref="ChannelError.UnknownMethod"/> where the host serves no metadata.
    /// </summary>
    public static StreamMethod<MetadataRelayRequest> MetadataRelay { get; } = new("metadata.Relay", StreamClass.Rpc);

    /// <summary>files.Stat: what a file is. Links are told of, not followed.</summary>
    public static RpcMethod<FileStatRequest, FileStat> FilesStat { get; } = new("files.Stat", StreamClass.Rpc);

    /// <summary>files.List: the entries of a folder, in <see cref="FileList"/> messages.</summary>
    public static StreamMethod<FileListRequest> FilesList { get; } = new("files.List", StreamClass.Rpc);

    /// <summary>files.Read: a <see cref="FileStat"/>, then the content in <see cref="FileRecord"/> messages.</summary>
    public static StreamMethod<FileReadRequest> FilesRead { get; } = new("files.Read", StreamClass.Bulk);

    /// <summary>
    /// files.Write: the guest sends a <see cref="FileWriteReady"/>, the host the content in <see cref="FileRecord"/>
    /// messages, the guest a <see cref="FileWriteReport"/>.
    /// </summary>
    public static StreamMethod<FileWriteRequest> FilesWrite { get; } = new("files.Write", StreamClass.Bulk, isPrivileged: true);

    /// <summary>exec.Run: a program, with its standard streams and its end in messages of <see cref="ExecMessage"/> kinds.</summary>
    public static StreamMethod<ExecRequest> ExecRun { get; } = new("exec.Run", StreamClass.Bulk, isPrivileged: true);

    /// <summary>exec.Signal: a signal to the process group of a program that exec.Run runs.</summary>
    public static RpcMethod<ExecSignalRequest, ExecSignalReply> ExecSignal { get; } = new("exec.Signal", StreamClass.Control, isPrivileged: true);

    /// <summary>install.Run: one operation in an appliance, in messages of <see cref="InstallMessage"/> kinds.</summary>
    public static StreamMethod<InstallRunRequest> InstallRun { get; } = new("install.Run", StreamClass.Rpc, isPrivileged: true);

    /// <summary>install.Overlay: a .tar.gz in raw messages; at its end the guest sends an <see cref="OverlayReply"/>.</summary>
    public static StreamMethod<OverlayRequest> InstallOverlay { get; } = new("install.Overlay", StreamClass.Bulk, isPrivileged: true);

    /// <summary>half.Call: what a script asks of its own side. Only on the local socket of one half (half.proto).</summary>
    public static RpcMethod<HalfRequest, HalfReply> HalfCall { get; } = new("half.Call", StreamClass.Rpc);

    /// <summary>agent.Status: only on the agent's control socket inside the guest, never on the channel to the host.</summary>
    public static RpcMethod<AgentStatusRequest, AgentStatus> AgentStatus { get; } = new("agent.Status", StreamClass.Control);
}
