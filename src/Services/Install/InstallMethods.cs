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
}
