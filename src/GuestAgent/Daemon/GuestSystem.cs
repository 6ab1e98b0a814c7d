using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Services;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>The parts of the system that the daemon's services act on.</summary>
/// <param name="Power">Behind power.Request.</param>
/// <param name="Freeze">Behind freeze.Freeze.</param>
/// <param name="Marker">The note of a freeze for the daemon's successor.</param>
internal sealed record GuestSystem(IPowerPlatform Power, IFreezePlatform Freeze, FreezeMarker Marker)
{
    /// <summary>The guest that this process runs in.</summary>
    public static GuestSystem Linux() => new(new LinuxPowerPlatform(), new LinuxFreezePlatform(), new FreezeMarker(FreezeMarker.DefaultPath));
}
