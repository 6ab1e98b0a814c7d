using System.Globalization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Hypervisors.Qemu;

/// <summary>QEMU's arguments for a machine's disks and network interfaces, in places of their own and in their order, so that the guest's names follow it.</summary>
internal static class QemuDevices
{
    /// <summary>PCI slot of a machine's first disk.</summary>
    public const int FirstDiskSlot = 9;

    /// <summary>Most network interfaces: in slots 2 to 4, eight each, before the link to the host, which is the last one.</summary>
    public const int MaxNics = 24;

    /// <summary>The SCSI controller, and what the guest calls the bus of it.</summary>
    private const string Scsi = "scsi0";

    private const int FirstNicSlot = 2;
    private const int NicsPerSlot = 8;

    /// <summary>Most disks: as there are slots, places at the controller, and places without the one of the optical disk.</summary>
    private static readonly Dictionary<DiskBus, int> s_mostDisks = new() { [DiskBus.Virtio] = 32 - FirstDiskSlot, [DiskBus.Scsi] = 64, [DiskBus.Ide] = 3 };

    /// <summary>The device of a virtio disk.</summary>
    /// <param name="name">Name of its node.</param>
    /// <param name="slot">Its PCI slot.</param>
    /// <param name="more">Further properties, each behind a comma.</param>
    public static string[] VirtioDisk(string name, int slot, string more = "") => ["-device", $"virtio-blk-pci,drive={name},id={name},serial={name},addr={Hex(slot)}{more}"];

    /// <summary>All disks of a machine.</summary>
    /// <param name="disks">The disks.</param>
    /// <param name="bus">How the guest sees them.</param>
    /// <param name="bootIndex">Of the first one, by which it is booted from; null: it is not.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: more than the bus has places.</exception>
    public static IEnumerable<string> Disks(IReadOnlyList<TargetDisk> disks, DiskBus bus, int? bootIndex)
    {
        if (disks.Count > s_mostDisks[bus])
        {
            throw Refused($"{disks.Count} disks are more than the {s_mostDisks[bus]} that a machine can have by {bus.ToString().ToLowerInvariant()}");
        }

        string Boot(int i) => i == 0 ? BootIndex(bootIndex) : "";
        string[] Device(int i, string name) => bus switch
        {
            DiskBus.Virtio => VirtioDisk(name, FirstDiskSlot + i, Boot(i)),
            DiskBus.Scsi => ["-device", $"scsi-hd,drive={name},id={name},serial={name},bus={Scsi}.0,scsi-id={Invariant(i)}{Boot(i)}"],
            _ => ["-device", $"ide-hd,drive={name},id={name},serial={name},bus=ide.{Invariant(i / 2)},unit={Invariant(i % 2)}{Boot(i)}"],
        };
        return
        [
            .. bus == DiskBus.Scsi && disks.Count > 0 ? ["-device", $"virtio-scsi-pci,id={Scsi},addr={Hex(FirstDiskSlot)}"] : Array.Empty<string>(),
            .. disks.SelectMany((disk, i) => (string[])[.. Block(disk.Path, disk.Format, NameOf(i), isReadOnly: false), .. Device(i, NameOf(i))]),
        ];
    }

    /// <summary>An optical disk, at the last IDE place.</summary>
    /// <param name="path">The image; it is never written.</param>
    /// <param name="bootIndex">By which it is booted from; null: it is not.</param>
    public static IEnumerable<string> Medium(string path, int? bootIndex) =>
        [.. Block(path, "raw", "medium", isReadOnly: true), "-device", $"ide-cd,drive=medium,id=medium,bus=ide.1,unit=1{BootIndex(bootIndex)}"];

    /// <summary>Network interfaces. What is a port of a bridge gets a tap, which goes with QEMU and is joined to the bridge by others.</summary>
    /// <param name="nics">The interfaces.</param>
    /// <param name="model">What they look like.</param>
    /// <param name="tapOf">The tap of each that has a bridge; null: none is connected to anything.</param>
    /// <param name="bootIndex">Of the first one, by which the network is booted from; null: it is not.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: too many.</exception>
    public static IEnumerable<string> Nics(IReadOnlyList<MachineNic> nics, NicModel model, Func<int, string>? tapOf, int? bootIndex = null)
    {
        if (nics.Count > MaxNics)
        {
            throw Refused($"{nics.Count} network interfaces are more than the {MaxNics} that a machine can have");
        }

        var driver = model switch
        {
            NicModel.E1000 => "e1000",
            NicModel.Rtl8139 => "rtl8139",
            _ => "virtio-net-pci",
        };
        // Its program is for a boot from the network alone.
        var rom = bootIndex is null ? ",romfile=" : "";
        return nics.SelectMany((nic, i) =>
        {
            var tap = nic.Bridge is null ? null : tapOf?.Invoke(i);
            var place = $"addr={Hex(FirstNicSlot + i / NicsPerSlot)}.{Invariant(i % NicsPerSlot)},multifunction=on";
            return (string[])
            [
                .. tap is null ? Array.Empty<string>() : ["-netdev", $"tap,id=nic{Invariant(i)},ifname={tap},script=no,downscript=no"],
                "-device", $"{driver},id=nic{Invariant(i)},mac={nic.Mac},{place}{(tap is null ? "" : $",netdev=nic{Invariant(i)}")}{rom}{(i == 0 ? BootIndex(bootIndex) : "")}",
            ];
        });
    }

    /// <summary>The name of a disk's node.</summary>
    public static string NameOf(int disk) => $"disk{Invariant(disk)}";

    private static string[] Block(string path, string format, string name, bool isReadOnly) =>
    [
        "-blockdev", $"{{\"driver\":{QemuArguments.Json(format)},\"node-name\":\"{name}\",{Use(isReadOnly)},\"file\":{{\"driver\":{(IsDevice(path) ? "\"host_device\"" : "\"file\"")},\"filename\":{QemuArguments.Json(path)},{Use(isReadOnly)}}}}}",
    ];

    private static string Use(bool isReadOnly) => $"\"discard\":\"unmap\",\"read-only\":{(isReadOnly ? "true" : "false")}";

    private static string BootIndex(int? index) => index is { } number ? $",bootindex={Invariant(number)}" : "";

    private static bool IsDevice(string path) => path.StartsWith("/dev/", StringComparison.Ordinal);

    private static string Hex(int number) => number.ToString("x", CultureInfo.InvariantCulture);

    private static string Invariant(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static ChannelException Refused(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
