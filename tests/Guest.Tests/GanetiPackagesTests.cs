using System.Security.Cryptography;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>OS definitions from Debian's own packages, unmodified, as a whole in the Debian appliance.</summary>
[Collection("packaged definitions")]
public class GanetiPackagesTests
{
    private const string Prompt = "renamed login:";
    private static readonly TimeSpan s_boot = TimeSpan.FromMinutes(6);

    [Fact]
    public async Task Ganeti_os_noop_moves_what_is_on_one_disk_to_another()
    {
        using var host = await GanetiHost.CreateAsync();
        await host.SetAsync("vm1", "noop");
        var source = host.At("source.img");
        await File.WriteAllBytesAsync(source, RandomNumberGenerator.GetBytes(4 << 20));
        var copy = host.NewDisk("copy.img", 4 << 20);
        await host.InstallAsync("create", "vm1", source);
        await host.InstallAsync("export", "vm1", source, "--to", host.At("vm1.dump"));
        await host.InstallAsync("import", "vm1", copy, "--from", host.At("vm1.dump"));
        await host.InstallAsync("rename", "vm1", copy, "--new-name", "vm2");
        Assert.Equal(await File.ReadAllBytesAsync(source), await File.ReadAllBytesAsync(copy));
        Assert.Contains("\"install\"", await host.ShowAsync("vm2"));
    }

    [Fact]
    public async Task What_ganeti_instance_debootstrap_installs_boots_from_another_disk_after_export_import_and_rename()
    {
        using var host = await GanetiHost.CreateAsync();
        await host.SetAsync("vm1", "debootstrap+minimal");
        var source = host.NewDisk("source.img", 1 << 30);
        var copy = host.NewDisk("copy.img", 1200 << 20);
        var created = await host.InstallAsync("create", "vm1", source);
        Assert.Contains("phase Verifying", created);
        Assert.Contains("Base system installed successfully", created);
        Assert.Contains("dump", await host.InstallAsync("export", "vm1", source, "--to", host.At("vm1.dump")), StringComparison.OrdinalIgnoreCase);
        await host.InstallAsync("import", "vm1", copy, "--from", host.At("vm1.dump"));
        await host.InstallAsync("rename", "vm1", copy, "--new-name", "renamed");

        // The definition installs no kernel: Ganeti starts such instances with one of the host's.
        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(SavedGuest.FindRoot(), ".cache/guest/vmlinuz"),
            Initrd = await InitrdAsync(host.At("initrd")),
            Append = "console=ttyS0 systemd.show_status=1",
            MemoryMiB = 512,
            Arguments = ["-drive", $"file={copy},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0"],
        });
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        var said = await console.WaitForAsync("Multi-User System", s_boot);
        if (!said.Contains(Prompt, StringComparison.Ordinal))
        {
            await console.WaitForAsync(Prompt, s_boot);
        }
    }

    /// <summary>An initial RAM disk for that kernel, which finds the system on the disk's first partition.</summary>
    private static async Task<string> InitrdAsync(string path)
    {
        var folder = Directory.CreateDirectory(path + ".root").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "init"), """
            #!/bin/busybox sh
            busybox mount -t devtmpfs dev /dev
            while read -r m; do busybox insmod "/modules/$m"; done < /modules/order
            while [ ! -b /dev/vda1 ]; do busybox usleep 20000; done
            busybox mount -t ext4 /dev/vda1 /new
            busybox mount --move /dev /new/dev
            exec busybox switch_root /new /sbin/init
            """);
        await DiskGuest.RunAsync("sh", "-ec", """
            mkdir "$0/bin" "$0/dev" "$0/new" "$0/modules"
            chmod 755 "$0/init"
            cp "$(command -v busybox)" "$0/bin/busybox"
            bash "$1/src/Tools/channelctl/appliance/add-modules.sh" "$1/.cache/kernel" "$0/modules" order virtio_pci virtio_blk crc32c_generic ext4
            cd "$0"
            find . | cpio -o -H newc -R 0:0 --quiet > "$2"
            """, folder, SavedGuest.FindRoot(), path);
        return path;
    }
}
