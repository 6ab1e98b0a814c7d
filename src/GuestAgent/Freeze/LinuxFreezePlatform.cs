using System.Globalization;
using System.Runtime.InteropServices;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The real kernel behind a freeze.</summary>
internal sealed class LinuxFreezePlatform : IFreezePlatform
{
    // linux/fs.h: _IOWR('X', 119, int) and _IOWR('X', 120, int)
    private const nuint FreezeRequest = 0xC0045877;
    private const nuint ThawRequest = 0xC0045878;

    // _IOWR('X', 121, struct fstrim_range): start, length, minimum, 64 bits each
    private const nuint TrimRequest = 0xC0185879;

    // sys/mman.h: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT. Without the last, every thread's whole stack and all that the
    // collector reserves would be filled with memory.
    private const int LockFlags = 1 | 2 | 4;
    private const int MaxDepth = 16;

    public MountTable ReadMounts()
    {
        var (table, isWhole) = MountList.Read(MountList.Own, static _ => true);
        return isWhole ? table : throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
            $"this guest has more mounts than the agent can hold: {table.Entries.Count} and more");
    }

    public IReadOnlyList<string> BackingFiles(MountEntry mount)
    {
        var files = new List<string>();
        var folder = mount.IsAnonymous ? VolumeFolder(mount.Source) : $"/sys/dev/block/{mount.Device}";
        Collect(folder, files, MaxDepth);
        return files;
    }

    public unsafe int Open(MountEntry mount, out int handle)
    {
        fixed (byte* path = mount.PathBytes())
        {
            handle = FileCalls.OpenAt(Abi.AT_FDCWD, path, Abi.O_RDONLY | Abi.O_NONBLOCK | Abi.O_NOCTTY | Abi.O_CLOEXEC, 0);
        }

        if (handle < 0)
        {
            return Errno.Last;
        }

        if (MountIdOf(handle) == mount.Id)
        {
            return 0;
        }

        Close(handle);
        handle = -1;
        return Errno.ENOENT;
    }

    public unsafe int Freeze(int handle) => DescriptorCalls.Ioctl(handle, FreezeRequest, null) == 0 ? 0 : Errno.Last;

    public unsafe int Thaw(int handle) => DescriptorCalls.Ioctl(handle, ThawRequest, null) == 0 ? 0 : Errno.Last;

    public unsafe int Trim(int handle, ulong minimum, out ulong trimmed)
    {
        var range = stackalloc ulong[3] { 0, ulong.MaxValue, minimum };
        var done = DescriptorCalls.Ioctl(handle, TrimRequest, range) == 0;
        trimmed = done ? range[1] : 0;
        return done ? 0 : Errno.Last;
    }

    public void Close(int handle) => _ = DescriptorCalls.Close(handle);

    public int LockMemory() => SystemCalls.MLockAll(LockFlags) == 0 ? 0 : Errno.Last;

    public void UnlockMemory() => _ = SystemCalls.MUnlockAll();

    // proc_pid_fdinfo(5)
    private static int MountIdOf(int handle)
    {
        foreach (var line in SmallFile.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{handle}")).AsSpan().EnumerateLines())
        {
            if (line.StartsWith("mnt_id:", StringComparison.Ordinal)
                && int.TryParse(line["mnt_id:".Length..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                return id;
            }
        }

        return -1;
    }

    private static string VolumeFolder(string source)
    {
        if (!source.StartsWith("/dev/", StringComparison.Ordinal))
        {
            return "";
        }

        try
        {
            // /dev/mapper holds links to the nodes by which /sys knows the devices.
            var target = File.ResolveLinkTarget(source, returnFinalTarget: true)?.FullName ?? source;
            return "/sys/class/block/" + Path.GetFileName(target);
        }
        catch (IOException)
        {
            return "";
        }
    }

    // A partition has its disk as the folder above it; device mapper and RAID list what they are made of in slaves/.
    private static void Collect(string folder, List<string> files, int depth)
    {
        if (folder.Length == 0 || depth == 0 || files.Count >= 64)
        {
            return;
        }

        if (File.Exists(folder + "/partition"))
        {
            Collect(folder + "/..", files, depth - 1);
            return;
        }

        var file = SmallFile.Read(folder + "/loop/backing_file").TrimEnd('\n');
        if (file.Length > 0)
        {
            files.Add(file);
        }

        if (Directory.Exists(folder + "/slaves"))
        {
            foreach (var slave in Directory.EnumerateFileSystemEntries(folder + "/slaves"))
            {
                Collect(slave, files, depth - 1);
            }
        }
    }
}
