using System.Globalization;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Info;

/// <summary>Disks from /sys/block.</summary>
internal static class StorageFacts
{
    private const int MaxDisks = 128;
    private const ulong SectorBytes = 512;

    /// <summary>Disks that have a size, first those that are devices: no empty loop or RAM devices.</summary>
    public static IEnumerable<DiskInfo> Disks()
    {
        if (!Directory.Exists("/sys/block"))
        {
            yield break;
        }

        foreach (var folder in InOrder("/sys/block").Take(MaxDisks))
        {
            if (Number(folder + "/size") is > 0 and ulong sectors)
            {
                yield return new DiskInfo
                {
                    Name = Path.GetFileName(folder),
                    SizeBytes = sectors * SectorBytes,
                    IsReadOnly = Number(folder + "/ro") == 1,
                    Serial = SmallFile.Read(folder + "/serial").Trim(),
                };
            }
        }
    }

    // A hundred loop devices come before vda by their names.
    internal static IEnumerable<string> InOrder(string folder) =>
        Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal).OrderBy(static disk => Directory.Exists(disk + "/device") ? 0 : 1);

    private static ulong Number(string path) =>
        ulong.TryParse(SmallFile.Read(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
}
