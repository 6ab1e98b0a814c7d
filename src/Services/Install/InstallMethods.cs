using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Install;

/// <summary>The methods of the install service (install.proto).</summary>
public static class InstallMethods
{
    /// <summary>install.Run: one operation in an appliance, in messages of <see cref="InstallMessage"/> kinds.</summary>
    public static StreamMethod<InstallRunRequest> Run { get; } = new("install.Run", StreamClass.Rpc, isPrivileged: true, permission: Permissions.Install);

    /// <summary>install.Overlay: a .tar.gz in raw messages; at its end the guest sends an <see cref="OverlayReply"/>.</summary>
    public static StreamMethod<OverlayRequest> Overlay { get; } = new("install.Overlay", StreamClass.Bulk, isPrivileged: true, permission: Permissions.Install);

    /// <summary>install.Data: the data of one disk in raw messages, from an export or to an import; its <see cref="DataEnd"/> comes by <see cref="Run"/>.</summary>
    public static StreamMethod<DataRequest> Data { get; } = new("install.Data", StreamClass.Bulk, isPrivileged: true, permission: Permissions.Install);

    /// <summary>install.Pipe: a stream of bytes between tools of the two halves (<see cref="ScriptPipe"/>).</summary>
    public static StreamMethod<PipeRequest> Pipe { get; } = new("install.Pipe", StreamClass.Bulk, isPrivileged: true, permission: Permissions.Install);
}
