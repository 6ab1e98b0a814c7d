namespace ChannelSdk.Host.Launch;

/// <summary>Where a machine may boot from.</summary>
public enum BootDevice
{
    /// <summary>Its first disk.</summary>
    Disk,
    /// <summary>Its optical disk.</summary>
    Medium,
    /// <summary>Its first network interface.</summary>
    Network,
}

/// <summary>What a machine boots from.</summary>
public sealed record MachineBoot
{
    /// <summary>A kernel of the host, which is booted in place of the devices; null: none.</summary>
    public string? Kernel { get; init; }

    /// <summary>The kernel's initial RAM disk; null: none.</summary>
    public string? Initrd { get; init; }

    /// <summary>The kernel's command line behind the console's settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>The image of an optical disk, which the machine cannot write; null: none.</summary>
    public string? Medium { get; init; }

    /// <summary>The devices that it tries, the first one first.</summary>
    public IReadOnlyList<BootDevice> Order { get; init; } = [BootDevice.Disk];
}

/// <summary>The machine of an instance, to be started.</summary>
public sealed record MachineRequest
{
    /// <summary>Name of the instance.</summary>
    public required string Instance { get; init; }

    /// <summary>A folder of this user's for the machine's sockets, at most 90 characters; its owner removes it when the machine has ended.</summary>
    public required string Folder { get; init; }

    /// <summary>Its disks.</summary>
    public required IReadOnlyList<TargetDisk> Disks { get; init; }

    /// <summary>What it has beside them.</summary>
    public MachineHardware Hardware { get; init; } = new();

    /// <summary>What it boots from.</summary>
    public MachineBoot Boot { get; init; } = new();

    /// <summary>Whether it has a channel. Without it nothing of the channel is in the machine.</summary>
    public required bool HasChannel { get; init; }

    /// <summary>
    /// Called as soon as its process is there, so that a crash of this process leaves no machine that is not known, and again if more of it is
    /// known later. When it throws, the machine is ended.
    /// </summary>
    public required Action<RunningMachine> OnStarted { get; init; }

    /// <summary>
    /// Called when its devices are there, and before its guest runs: a host that connects to its channel now is there when the guest looks. A launcher
    /// that starts guest and devices in one does not call it. When it throws, the machine is ended.
    /// </summary>
    public Func<CancellationToken, Task> OnReady { get; init; } = static _ => Task.CompletedTask;
}
