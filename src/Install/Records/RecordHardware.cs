using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Records;

/// <summary>The hardware that a record's parameters describe, by Ganeti's names (gnt-instance(8)).</summary>
internal static class RecordHardware
{
    private const int MaxMemory = 16 << 20;
    private const int MaxCpus = 255;
    private const int MaxText = 64;

    /// <summary>What is known of it. A bus or card that a machine cannot have is as if it was not named.</summary>
    /// <param name="record">The instance.</param>
    /// <param name="hypervisorParameters">Its parameters of the hypervisor, or others in their place.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: memory or processors are no numbers that can be.</exception>
    public static MachineHardware Of(InstanceRecord record, IReadOnlyDictionary<string, string> hypervisorParameters) => new()
    {
        MemoryMiB = Number(record, InstanceRecord.MemoryParameter, MaxMemory) ?? Number(record, "memory", MaxMemory),
        Cpus = Number(record, InstanceRecord.CpusParameter, MaxCpus) ?? 1,
        DiskBus = BusOf(hypervisorParameters) ?? DiskBus.Virtio,
        NicModel = ModelOf(hypervisorParameters) ?? NicModel.Virtio,
        Nics = [.. record.Nics.Select(static nic => new MachineNic(nic.Mac, nic.Mode == NicMode.Bridged ? nic.Link : null))],
    };

    /// <summary>The bus of the disks; null: it is none that a machine can have.</summary>
    public static DiskBus? BusOf(IReadOnlyDictionary<string, string> hypervisorParameters) => hypervisorParameters.GetValueOrDefault("disk_type") switch
    {
        null or "paravirtual" => DiskBus.Virtio,
        "scsi" or "scsi-hd" => DiskBus.Scsi,
        "ide" => DiskBus.Ide,
        _ => null,
    };

    /// <summary>What the network interfaces look like; null: as nothing that a machine can have.</summary>
    public static NicModel? ModelOf(IReadOnlyDictionary<string, string> hypervisorParameters) => hypervisorParameters.GetValueOrDefault("nic_type") switch
    {
        null or "paravirtual" => NicModel.Virtio,
        "e1000" => NicModel.E1000,
        "rtl8139" => NicModel.Rtl8139,
        _ => null,
    };

    private static int? Number(InstanceRecord record, string name, int most) => record.BackendParameters.GetValueOrDefault(name) is not { } text ? null
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1 && number <= most ? number
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the record of {record.Name} has {name}={SafeText.Escape(text, MaxText)}; it takes 1 to {most}, memory in MiB");
}
