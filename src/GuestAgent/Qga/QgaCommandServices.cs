using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.GuestAgent.Power;
using ChannelSdk.GuestAgent.Storage;
using ChannelSdk.GuestAgent.Time;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>What the commands are made of: the services that the channel's methods have too.</summary>
internal sealed class QgaCommandServices(
    AgentPolicy policy, PowerService power, FreezeService freeze, TimeService time, TrimService trim, ExecService exec, FileSystemFacts fileSystems)
{
    public AgentPolicy Policy => policy;

    public PowerService Power => power;

    public FreezeService Freeze => freeze;

    public TimeService Time => time;

    public TrimService Trim => trim;

    public ExecService Exec => exec;

    public FileSystemFacts FileSystems => fileSystems;
}
