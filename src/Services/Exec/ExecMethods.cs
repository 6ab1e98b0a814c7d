using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Exec;

/// <summary>The methods of the exec service (exec.proto).</summary>
public static class ExecMethods
{
    /// <summary>exec.Run: a program, with its standard streams and its end in messages of <see cref="ExecMessage"/> kinds.</summary>
    public static StreamMethod<ExecRequest> Run { get; } = new("exec.Run", StreamClass.Bulk, isPrivileged: true, permission: Permissions.RunPrograms);

    /// <summary>exec.Signal: a signal to the process group of a program that exec.Run runs.</summary>
    public static RpcMethod<ExecSignalRequest, ExecSignalReply> Signal { get; } = new("exec.Signal", StreamClass.Control, isPrivileged: true, permission: Permissions.RunPrograms);
}
