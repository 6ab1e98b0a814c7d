using System.Globalization;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Platform.Linux;

/// <summary>Disks from /sys/block and the usage of the file systems on them.</summary>
internal static class StorageFacts
{
    private const int MaxDisks = 128;
    private const int MaxFileSystems = 256;
    private const ulong SectorBytes = 512;

    /// <summary>Disks that have a size: no empty loop or RAM devices.</summary>
    public static IEnumerable<DiskInfo> Disks()
    {
        if (!Directory.Exists("/sys/block"))
        {
            yield break;
        }
        foreach (string folder in Directory.EnumerateFileSystemEntries("/sys/block").Order(StringComparer.Ordinal).Take(MaxDisks))
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

    /// <summary>The file systems with storage in this guest, each once. Others are not asked: a server that is away does not answer.</summary>
    public static IEnumerable<FileSystemUsage> FileSystems(MountTable table)
    {
        foreach (MountEntry[] mounts in table.ByFileSystem(static entry => !entry.IsAnonymous || entry.Type is "btrfs" or "tmpfs").Take(MaxFileSystems))
        {
            MountEntry mount = mounts[0];
            var info = new FileSystemUsage { Mount = mount.Path, Type = mount.Type, Source = mount.Source, IsReadOnly = mount.IsReadOnly };
            try
            {
                var drive = new DriveInfo(mount.Path);
                (info.TotalBytes, info.AvailableBytes) = ((ulong)drive.TotalSize, (ulong)drive.AvailableFreeSpace);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // What cannot be asked stays without figures.
            }
            yield return info;
        }
    }

    private static ulong Number(string path) =>
        ulong.TryParse(SmallFile.Read(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : 0;
}
