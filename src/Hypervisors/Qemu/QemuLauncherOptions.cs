using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Options;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>How the agent of an appliance reaches its host.</summary>
public enum ApplianceTransport
{
    /// <summary>A virtio-serial port; needs nothing of the host.</summary>
    VirtioSerial,
    /// <summary>A tap in a network namespace of the operation's own; takes root.</summary>
    Tap,
    /// <summary>QEMU's user network.</summary>
    UserNet,
    /// <summary>A vsock device of the operation's own; needs nothing of the host.</summary>
    Vsock,
}

/// <summary>What appliances under QEMU are made of.</summary>
public sealed record QemuLauncherOptions
{
    /// <summary>The appliance's kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>The appliance's initial RAM disk: the whole appliance, or what finds its disk.</summary>
    public required string Initrd { get; init; }

    /// <summary>
    /// The appliance's disk (raw or qcow2), its first; null if all is in the initial RAM disk. It is never written: each
    /// launch has its own overlay, unless <see cref="IsDiskReadOnly"/>.
    /// </summary>
    public string? Disk { get; init; }

    /// <summary>Whether the appliance only reads <see cref="Disk"/>, as a squashfs: all launches share the disk itself.</summary>
    public bool IsDiskReadOnly { get; init; }

    /// <summary>Format of <see cref="Disk"/>.</summary>
    public string DiskFormat { get; init; } = "raw";

    /// <summary>Kernel command line behind the console's and the channel's settings.</summary>
    public string Append { get; init; } = "";

    /// <summary>How the agent reaches the host.</summary>
    public ApplianceTransport Transport { get; init; }

    /// <summary>Absolute path of <c>channel-forward</c>, for <see cref="ApplianceTransport.UserNet"/>.</summary>
    public string? ForwardProgram { get; init; }

    /// <summary>Memory in MiB, 1 to 16,777,216.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>"kvm", "tcg", or null to take KVM where this machine has it.</summary>
    public string? Accelerator { get; init; }

    /// <summary>Whom each QEMU runs as (<see cref="QemuOptions.RunAs"/>); null for a user of its own out of <see cref="Users"/>.</summary>
    public QemuUser? RunAs { get; init; }

    /// <summary>
    /// The users of which each QEMU gets one that no other has, where this process runs as root; null for none: then QEMU runs as this
    /// process's user. All programs of a host that start appliances must have the same range, or ranges apart.
    /// </summary>
    public UserRange? Users { get; init; } = UserRange.Appliances;

    /// <summary>Whether QEMU filters its own system calls (<see cref="QemuOptions.Sandbox"/>).</summary>
    public bool Sandbox { get; init; } = true;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">One is not allowed; with its name and what is.</exception>
    internal QemuLauncherOptions Validated()
    {
        OptionCheck.Path(Kernel);
        OptionCheck.Path(Initrd);
        OptionCheck.PathOrNull(Disk);
        OptionCheck.Path(DiskFormat);
        OptionCheck.Text(Append);
        OptionCheck.Defined(Transport);
        OptionCheck.PathOrNull(ForwardProgram);
        OptionCheck.Range(MemoryMiB, 1, 16 << 20);
        OptionCheck.PathOrNull(Accelerator);
        return Users is not { IsValid: false } ? this : throw new ArgumentException($"{Users} is no range of users: 1 to 4294967293, the first not above the last", nameof(Users));
    }
}
