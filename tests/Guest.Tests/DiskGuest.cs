using System.Diagnostics;
using ChannelSdk.Host;
using ChannelSdk.Host.Freeze;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>A booted guest with an ext4 and an XFS disk, mounted at /e and /x; /l is an ext4 in a file on /e.</summary>
public sealed class DiskGuest : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-disks-");

    private DiskGuest()
    {
    }

    public QemuGuest Guest { get; private set; } = null!;
    public GuestConsole Console { get; private set; } = null!;
    public string Ext4 => Path.Combine(_folder.FullName, "ext4.img");
    public string Xfs => Path.Combine(_folder.FullName, "xfs.img");

    /// <summary>For the guest's shell, before it mounts something.</summary>
    public const string LoadModules = "while read -r m; do insmod /modules/$m; done < /modules/disks; ";

    /// <summary>QEMU's arguments for two disks, /dev/vda and /dev/vdb in the guest.</summary>
    public static string[] Drives(string first, string second) =>
    [
        "-drive", $"file={first},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,addr=06",
        "-drive", $"file={second},if=none,id=d1,format=raw", "-device", "virtio-blk-pci,drive=d1,addr=07",
    ];

    /// <summary>Boots it.</summary>
    /// <param name="saved">The small guest.</param>
    /// <param name="more">Further arguments of QEMU.</param>
    public static async Task<DiskGuest> BootAsync(SavedGuest saved, params string[] more)
    {
        var disks = new DiskGuest();
        var content = disks._folder.CreateSubdirectory("content").FullName;
        await RunAsync("truncate", "-s", "8M", $"{content}/inner.img");
        await RunAsync("mkfs.ext4", "-q", "-F", $"{content}/inner.img");
        await RunAsync("truncate", "-s", "64M", disks.Ext4);
        await RunAsync("mkfs.ext4", "-q", "-F", "-d", content, disks.Ext4);
        await RunAsync("truncate", "-s", "320M", disks.Xfs);
        await RunAsync("mkfs.xfs", "-q", disks.Xfs);
        disks.Guest = await saved.BootAsync([.. Drives(disks.Ext4, disks.Xfs), .. more]);
        disks.Console = await GuestConsole.ConnectAsync(disks.Guest.ConsoleSocket);
        await disks.Console.WaitForAsync("GUEST-READY");
        var mounted = await disks.Console.ShAsync(
            LoadModules + "mkdir /e /x /l /b; " +
            "mount -t ext4 /dev/vda /e && mount -t xfs /dev/vdb /x && mount --bind /x /b && " +
            "losetup /dev/loop0 /e/inner.img && mount -t ext4 /dev/loop0 /l && echo mounted");
        Assert.EndsWith("mounted", mounted);
        return disks;
    }

    /// <summary>Its own endpoint, as a host manager has it.</summary>
    public async Task<(ChannelHost Host, Instance Instance)> AttachAsync()
    {
        var host = new ChannelHost();
        var instance = host.Attach("vm1", Guest.ChannelUri);
        await instance.WaitReadyAsync(SavedGuest.Soon);
        return (host, instance);
    }

    /// <summary>Starts a write to each file system in the guest; /tmp/written has a line for each that went through.</summary>
    public Task StartWritersAsync() => Console.ShAsync(
        "rm -f /tmp/written; for d in e x l; do (echo new > /$d/late && echo $d >> /tmp/written) & done; sleep 1");

    /// <summary>What went through by now.</summary>
    public Task<string> WrittenAsync() => Console.ShAsync("sort /tmp/written 2>/dev/null | tr -d '\\n'");

    /// <summary>Waits in the guest until all three writes have gone through.</summary>
    public async Task AssertWritersEndAsync() => Assert.Equal("elx", await Console.ShAsync(
        "i=0; while [ $(cat /tmp/written 2>/dev/null | wc -l) -lt 3 ] && [ $i -lt 600 ]; do usleep 100000; i=$((i+1)); done; sort /tmp/written | tr -d '\\n'"));

    /// <summary>Waits for the end of a thaw; the guest writes again a moment before it has said so.</summary>
    public static async Task<FreezeReport> ThawedAsync(Instance instance)
    {
        var end = SavedGuest.Soon;
        var report = await instance.Freeze.StatusAsync(end);
        for (; report.State != FreezeState.Thawed; report = await instance.Freeze.StatusAsync(end))
        {
            await Task.Delay(20, end);
        }

        return report;
    }

    /// <summary>A copy of a disk as it is now.</summary>
    public static async Task<string> SnapshotAsync(string disk)
    {
        await RunAsync("cp", "--sparse=always", disk, disk + ".snapshot");
        return disk + ".snapshot";
    }

    /// <summary>Runs a program of this machine; its output. Fails on an exit code other than 0.</summary>
    public static Task<string> RunAsync(string program, params string[] arguments) => RunAsync(TimeSpan.FromMinutes(2), program, arguments);

    /// <summary>Runs a program of this machine that may take longer.</summary>
    public static async Task<string> RunAsync(TimeSpan within, string program, params string[] arguments)
    {
        using var end = new CancellationTokenSource(within);
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(end.Token);
        var error = process.StandardError.ReadToEndAsync(end.Token);
        await process.WaitForExitAsync(end.Token);
        var text = await output + await error;
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: code {process.ExitCode}: {text}");
        return text;
    }

    public async ValueTask DisposeAsync()
    {
        await Console.DisposeAsync();
        await Guest.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
