using ChannelSdk.Install.Events;

namespace ChannelSdk.Install.Records;

/// <summary>What an instance is started for.</summary>
public enum ExecutionMode
{
    /// <summary>It runs. The channel is off unless the instance's record switches it on.</summary>
    Run,
    /// <summary>It installs itself from its metadata; the channel is on.</summary>
    SelfInstall,
    /// <summary>An appliance with the instance's disks runs the scripts of an OS definition; the channel is on.</summary>
    Install,
}
