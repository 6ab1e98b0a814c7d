namespace ChannelSdk.Host.Power;

/// <summary>An action after which a guest is gone. Values are the contract's.</summary>
public enum StopAction
{
    /// <summary>Stop the guest and switch its power off.</summary>
    Shutdown = 1,
    /// <summary>Stop the guest and start it again.</summary>
    Reboot = 2,
    /// <summary>Stop the guest and leave the power on.</summary>
    Halt = 3,
}

/// <summary>A sleep of a guest, which goes on where it was when it is woken. Values are the contract's.</summary>
public enum SuspendMode
{
    /// <summary>With the state in memory.</summary>
    Ram = 4,
    /// <summary>With the state in the guest's own swap, and the power off.</summary>
    Disk = 5,
    /// <summary>Stand still with processors idle.</summary>
    Idle = 6,
    /// <summary>With the state in memory, and on the disk too in case that the power goes. Only where the guest's systemd does it.</summary>
    Hybrid = 7,
}
