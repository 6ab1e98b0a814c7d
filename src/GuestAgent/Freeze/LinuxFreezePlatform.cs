using System.Globalization;
using System.Runtime.InteropServices;
using ChannelSdk.GuestAgent.Platform.Linux;
using ChannelSdk.Protocol;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>The real kernel behind a freeze.</summary>
internal sealed class LinuxFreezePlatform : IFreezePlatform
{
    // linux/fs.h: _IOWR('X', 119, int) and _IOWR('X', 120, int)
    private const nuint FreezeRequest = 0xC0045877;
    private const nuint ThawRequest = 0xC0045878;

    // _IOWR('X', 121, struct fstrim_range): start, length, minimum, 64 bits each
    private const nuint TrimRequest = 0xC0185879;

    // asm-generic/fcntl.h: O_RDONLY with O_NONBLOCK, O_NOCTTY, O_CLOEXEC
    private const int OpenFlags = 0x800 | 0x100 | 0x80000;
    private const int NotThere = 2;

    // sys/mman.h: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT. Without the last, every thread's whole stack and all that the
    // collector reserves would be filled with memory.
    private const int LockFlags = 1 | 2 | 4;
    private const int MaxDepth = 16;

    public MountTable ReadMounts()
    {
        (MountTable table, bool isWhole) = MountList.Read(MountList.Own, static _ => true);
        return isWhole ? table : throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused,
            $"this guest has more mounts than the agent can hold: {table.Entries.Count} and more");
    }

    public IReadOnlyList<string> BackingFiles(MountEntry mount)
    {
        var files = new List<string>();
        string folder = mount.IsAnonymous ? VolumeFolder(mount.Source) : $"/sys/dev/block/{mount.Device}";
        Collect(folder, files, MaxDepth);
        return files;
    }

    public unsafe int Open(MountEntry mount, out int handle)
    {
        fixed (byte* path = mount.PathBytes())
        {
            handle = FileCalls.OpenAt(FileCalls.CurrentFolder, path, OpenFlags, 0);
        }
        if (handle < 0)
        {
            return Marshal.GetLastPInvokeError();
        }
        if (MountIdOf(handle) == mount.Id)
        {
            return 0;
        }
        Close(handle);
        handle = -1;
        return NotThere;
    }

    public unsafe int Freeze(int handle) => Libc.Ioctl(handle, FreezeRequest, null) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public unsafe int Thaw(int handle) => Libc.Ioctl(handle, ThawRequest, null) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public unsafe int Trim(int handle, ulong minimum, out ulong trimmed)
    {
        ulong* range = stackalloc ulong[3] { 0, ulong.MaxValue, minimum };
        bool done = Libc.Ioctl(handle, TrimRequest, range) == 0;
        trimmed = done ? range[1] : 0;
        return done ? 0 : Marshal.GetLastPInvokeError();
    }

    public void Close(int handle) => _ = Libc.Close(handle);

    public int LockMemory() => Libc.LockMemory(LockFlags) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public void UnlockMemory() => _ = Libc.UnlockMemory();

    // proc_pid_fdinfo(5)
    private static int MountIdOf(int handle)
    {
        foreach (ReadOnlySpan<char> line in SmallFile.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{handle}")).AsSpan().EnumerateLines())
        {
            if (line.StartsWith("mnt_id:", StringComparison.Ordinal)
                && int.TryParse(line["mnt_id:".Length..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
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
            string target = File.ResolveLinkTarget(source, returnFinalTarget: true)?.FullName ?? source;
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
        string file = SmallFile.Read(folder + "/loop/backing_file").TrimEnd('\n');
        if (file.Length > 0)
        {
            files.Add(file);
        }
        if (Directory.Exists(folder + "/slaves"))
        {
            foreach (string slave in Directory.EnumerateFileSystemEntries(folder + "/slaves"))
            {
                Collect(slave, files, depth - 1);
            }
        }
    }
}
