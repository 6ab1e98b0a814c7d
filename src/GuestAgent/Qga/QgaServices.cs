using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>What the commands are made of: the services that the channel's methods have too.</summary>
internal sealed record QgaServices(
    AgentPolicy Policy, PowerService Power, FreezeService Freeze, TimeService Time, TrimService Trim, ExecService Exec, FileSystemFacts FileSystems);
