namespace ChannelSdk.Host.Launch;

/// <summary>How a machine sees its disks.</summary>
public enum DiskBus
{
    /// <summary>As virtio block devices.</summary>
    Virtio,
    /// <summary>As SCSI disks of a virtio controller.</summary>
    Scsi,
    /// <summary>As IDE disks, at most four with the optical one.</summary>
    Ide,
}

/// <summary>What a machine's network interfaces look like to it.</summary>
public enum NicModel
{
    /// <summary>A virtio network card.</summary>
    Virtio,
    /// <summary>An Intel e1000.</summary>
    E1000,
    /// <summary>A Realtek 8139.</summary>
    Rtl8139,
}

/// <summary>A network interface of a machine.</summary>
/// <param name="Mac">Its hardware address, as aa:bb:cc:dd:ee:ff.</param>
/// <param name="Bridge">The host's bridge that it is a port of; null: it is connected to nothing.</param>
public sealed record MachineNic(string Mac, string? Bridge = null);

/// <summary>What a machine has beside its disks.</summary>
public sealed record MachineHardware
{
    /// <summary>Memory in MiB, 1 to 16,777,216; null: as much as its launcher gives.</summary>
    public int? MemoryMiB { get; init; }

    /// <summary>Processors, 1 to 255.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary>How it sees its disks.</summary>
    public DiskBus DiskBus { get; init; }

    /// <summary>What its network interfaces look like to it.</summary>
    public NicModel NicModel { get; init; }

    /// <summary>Its network interfaces, the first one first; at most 24.</summary>
    public IReadOnlyList<MachineNic> Nics { get; init; } = [];
}
