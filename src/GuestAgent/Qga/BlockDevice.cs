using System.Globalization;
using System.Text.Json;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>A disk and where it is plugged in, as its place below /sys/devices tells.</summary>
/// <param name="Path">For instance <c>/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda</c>.</param>
/// <param name="Bus">The kind of bus, by its name in the protocol.</param>
/// <param name="Pci">Domain, bus, slot and function of its controller; -1 for none.</param>
/// <param name="Address">Bus, target and unit at the controller.</param>
internal sealed record BlockDevice(string Path, string Bus, int[] Pci, int[] Address)
{
    private const int MaxDepth = 8;

    /// <summary>The folder that a link in /sys leads to; empty if there is none.</summary>
    public static string Resolve(string link)
    {
        try
        {
            return File.ResolveLinkTarget(link, returnFinalTarget: true)?.FullName ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>The disks that a partition or a mapped device lies on, or the disk itself.</summary>
    public static IEnumerable<BlockDevice> Below(string device, int depth = MaxDepth)
    {
        if (device.Length == 0 || depth == 0)
        {
            yield break;
        }

        var isPartition = File.Exists(device + "/partition");
        var below = isPartition ? [System.IO.Path.GetDirectoryName(device)!] : Slaves(device);
        var isDisk = true;
        foreach (var next in below)
        {
            isDisk = false;
            foreach (var disk in Below(next, depth - 1))
            {
                yield return disk;
            }
        }

        if (isDisk && Of(device) is { } own)
        {
            yield return own;
        }
    }

    /// <summary>What a mapped device is made of.</summary>
    public static IEnumerable<string> Slaves(string device)
    {
        var folder = device + "/slaves";
        return device.Length > 0 && Directory.Exists(folder)
            ? Directory.EnumerateFileSystemEntries(folder).Select(Resolve).Where(static slave => slave.Length > 0) : [];
    }

    /// <summary>A disk by its folder below /sys/devices; null for one without hardware.</summary>
    public static BlockDevice? Of(string device)
    {
        int[] pci = [-1, -1, -1, -1];
        int[] place = [0, 0, 0];
        var bus = "unknown";
        foreach (var part in device.Split('/'))
        {
            if (Numbers(part, ":.", 4, NumberStyles.AllowHexSpecifier) is { } address && part.Contains('.', StringComparison.Ordinal))
            {
                pci = address;
            }
            else if (Numbers(part, ":", 4, NumberStyles.None) is { } scsi)
            {
                // Host, channel, target, unit.
                place = [scsi[1], scsi[2], scsi[3]];
                bus = bus == "unknown" ? "scsi" : bus;
            }
            else
            {
                bus = part.StartsWith("virtio", StringComparison.Ordinal) ? "virtio"
                    : part.StartsWith("ata", StringComparison.Ordinal) ? "sata"
                    : part.StartsWith("nvme", StringComparison.Ordinal) ? "nvme"
                    : part.StartsWith("usb", StringComparison.Ordinal) ? "usb" : bus;
            }
        }

        return bus == "unknown" ? null : new BlockDevice(device, bus, pci, place);
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartObject("pci-controller"u8);
        json.WriteNumber("domain"u8, Pci[0]);
        json.WriteNumber("bus"u8, Pci[1]);
        json.WriteNumber("slot"u8, Pci[2]);
        json.WriteNumber("function"u8, Pci[3]);
        json.WriteEndObject();
        json.WriteString("bus-type"u8, Bus);
        json.WriteNumber("bus"u8, Address[0]);
        json.WriteNumber("target"u8, Address[1]);
        json.WriteNumber("unit"u8, Address[2]);
        if (SmallFile.Read(Path + "/serial").Trim() is { Length: > 0 } serial)
        {
            json.WriteString("serial"u8, serial);
        }

        json.WriteString("dev"u8, "/dev/" + System.IO.Path.GetFileName(Path));
        json.WriteEndObject();
    }

    private static int[]? Numbers(string part, string separators, int count, NumberStyles style)
    {
        var words = part.Split(separators.ToCharArray());
        var numbers = new int[count];
        for (var i = 0; i < count && words.Length == count; i++)
        {
            if (!int.TryParse(words[i], style, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return null;
            }
        }

        return words.Length == count ? numbers : null;
    }
}
