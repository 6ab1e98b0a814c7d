using System.Globalization;
using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.GuestAgent.Storage;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>guest-get-fsinfo, guest-get-disks, guest-get-diskstats and guest-fstrim.</summary>
internal static class QgaStorage
{
    private const int MaxDisks = 256;
    private const int MaxMounts = 512;
    private const int MaxCounted = 4096;

    // The columns of /proc/diskstats behind the name; older kernels have fewer.
    private static readonly string[] s_counters =
    [
        "read-ios", "read-merges", "read-sectors", "read-ticks", "write-ios", "write-merges", "write-sectors", "write-ticks", "ios-pgr",
        "total-ticks", "weight-ticks", "discard-ios", "discard-merges", "discard-sectors", "discard-ticks", "flush-ios", "flush-ticks",
    ];

    public static void FileSystems(QgaCall call, FileSystemFacts fileSystems)
    {
        call.Arguments.End();
        var json = call.Json;
        json.WriteStartArray();
        var left = MaxMounts;
        foreach (var fact in fileSystems.Collect())
        {
            if (fact.Main.Type == "tmpfs")
            {
                continue;
            }

            var device = BlockDevice.Resolve($"/sys/dev/block/{fact.Main.Device}");
            // As qemu-ga does: each mount, with the figures of what is mounted there.
            foreach (var mount in fact.Mounts.Take(left))
            {
                left--;
                WriteMount(json, mount, device, fact.Figures);
            }
        }

        json.WriteEndArray();
    }

    public static void Disks(QgaCall call)
    {
        call.Arguments.End();
        var json = call.Json;
        json.WriteStartArray();
        var left = MaxDisks;
        foreach (var disk in StorageFacts.Disks())
        {
            WriteDisk(json, BlockDevice.Resolve($"/sys/class/block/{disk.Name}"), isPartition: false);
            foreach (var folder in Directory.EnumerateDirectories($"/sys/block/{disk.Name}"))
            {
                if (File.Exists(folder + "/partition") && --left > 0)
                {
                    WriteDisk(json, BlockDevice.Resolve($"/sys/class/block/{Path.GetFileName(folder)}"), isPartition: true);
                }
            }
        }

        json.WriteEndArray();
    }

    public static void Counters(QgaCall call)
    {
        call.Arguments.End();
        var json = call.Json;
        json.WriteStartArray();
        using var table = new LineFile("/proc/diskstats");
        for (var left = MaxCounted; left > 0 && table.Next(out var line);)
        {
            var words = Encoding.UTF8.GetString(line).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 14)
            {
                continue;
            }

            left--;
            json.WriteStartObject();
            json.WriteString("name"u8, words[2]);
            json.WriteNumber("major"u8, ProcValues.Count(words[0]));
            json.WriteNumber("minor"u8, ProcValues.Count(words[1]));
            json.WriteStartObject("stats"u8);
            for (var i = 0; i < s_counters.Length && i + 3 < words.Length; i++)
            {
                json.WriteNumber(s_counters[i], ProcValues.Count(words[i + 3]));
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static async ValueTask TrimAsync(QgaCall call, TrimService trim)
    {
        var minimum = call.Arguments.IntegerOrNull("minimum") ?? 0;
        call.Arguments.End();
        var reply = await trim.TrimAsync(new TrimRequest { MinimumBytes = (ulong)Math.Max(0, minimum) }).ConfigureAwait(false);
        var json = call.Json;
        json.WriteStartObject();
        json.WriteStartArray("paths"u8);
        foreach (var result in reply.Mounts)
        {
            json.WriteStartObject();
            json.WriteString("path"u8, result.Mount);
            if (result.Reason.Length > 0)
            {
                json.WriteString("error"u8, result.Reason);
            }
            else
            {
                json.WriteNumber("trimmed"u8, result.TrimmedBytes);
                json.WriteNumber("minimum"u8, Math.Max(0, minimum));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteMount(Utf8JsonWriter json, MountEntry mount, string device, FileSystemFigures? figures)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, Path.GetFileName(device.Length > 0 ? device : mount.Source));
        json.WriteString("mountpoint"u8, mount.Path);
        json.WriteString("type"u8, mount.Type);
        // Those of a file system that does not answer are left out, as the schema has it.
        if (figures is { TotalBytes: > 0 } known)
        {
            var used = known.TotalBytes - known.FreeBytes;
            json.WriteNumber("used-bytes"u8, used);
            json.WriteNumber("total-bytes"u8, used + known.AvailableBytes);
            json.WriteNumber("total-bytes-privileged"u8, known.TotalBytes);
        }

        json.WriteStartArray("disk"u8);
        foreach (var disk in BlockDevice.Below(device))
        {
            disk.Write(json);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteDisk(Utf8JsonWriter json, string device, bool isPartition)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, "/dev/" + Path.GetFileName(device));
        json.WriteBoolean("partition"u8, isPartition);
        json.WriteStartArray("dependencies"u8);
        if (isPartition)
        {
            json.WriteStringValue("/dev/" + Path.GetFileName(Path.GetDirectoryName(device)));
        }

        foreach (var slave in BlockDevice.Slaves(device))
        {
            json.WriteStringValue("/dev/" + Path.GetFileName(slave));
        }

        json.WriteEndArray();
        if (SmallFile.Read(device + "/dm/name").Trim() is { Length: > 0 } alias)
        {
            json.WriteString("alias"u8, alias);
        }

        if (!isPartition && BlockDevice.Of(device) is { } disk)
        {
            json.WritePropertyName("address"u8);
            disk.Write(json);
        }

        json.WriteEndObject();
    }
}
