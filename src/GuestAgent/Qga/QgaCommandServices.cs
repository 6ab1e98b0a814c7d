using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Storage;
using ChannelSdk.GuestAgent.Time;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>What the commands are made of: the services that the channel's methods have too.</summary>
internal sealed record QgaCommandServices(
    AgentPolicy Policy, PowerService Power, FreezeService Freeze, TimeService Time, TrimService Trim, ExecService Exec, FileSystemFacts FileSystems);
