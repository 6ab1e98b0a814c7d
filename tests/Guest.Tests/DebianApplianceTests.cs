using System.Text;
using ChannelSdk.Cli.Commands;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;

namespace ChannelSdk.Guest.Tests;

/// <summary>The Debian appliance, booted: what scripts of distributions call works in it.</summary>
[Collection("appliance")]
public class DebianApplianceTests(Appliance appliance)
{
    // Each line is a promise; the first that does not hold is the last of the output.
    private const string Tools = """
        #!/bin/bash
        set -eux -o pipefail
        channel-agent progress 1 "$(cut -d' ' -f1 /proc/uptime)"
        [ "$DISK_COUNT $DISK_0_PATH $DISK_1_PATH" = "2 /dev/vdb /dev/vdc" ]
        [ "$(blockdev --getsize64 /dev/vdb) $(blockdev --getsize64 /dev/vdc)" = "1073741824 536870912" ]
        [ "$(blockdev --getro /dev/vda)" = 1 ]
        for program in apt-get blkid curl debootstrap dpkg dump fdisk gdisk growpart gpgv parted qemu-img restore rsync sfdisk sgdisk wget zstd; do command -v $program; done
        dpkg --print-architecture
        [ "$(cat <(echo substituted) /dev/stdin <<< read)" = "$(printf 'substituted\nread')" ]
        wget -O /dev/null http://nosuch.invalid/ && exit 1
        mnt=$(mktemp -d)

        # Partitions: the kernel's own nodes, a mapping of them, and a loop device with them.
        parted -s /dev/vdb mklabel gpt mkpart bios 1MiB 2MiB set 1 bios_grub on mkpart esp fat32 2MiB 66MiB set 2 esp on mkpart root 66MiB 500MiB mkpart rest 500MiB 100%
        sgdisk --verify /dev/vdb
        for i in 1 2 3 4; do [ -b /dev/vdb$i ]; done
        sfdisk --quiet /dev/vdc <<< '2048,102400,L,*'
        growpart /dev/vdc 1
        kpartx -a -s -p- /dev/vdc
        [ -b /dev/mapper/vdc-1 ]
        mkfs.ext4 -q /dev/mapper/vdc-1
        kpartx -d -p- /dev/vdc
        truncate -s 400M $mnt.img
        sfdisk --quiet $mnt.img <<< 'start=2048'
        loop=$(losetup --show -f -P $mnt.img)
        [ -b ${loop}p1 ]
        mkfs.xfs -q ${loop}p1
        mount ${loop}p1 $mnt
        umount $mnt
        losetup -d $loop
        udevadm settle

        # File systems, each mounted without a word about its module.
        mkfs.vfat /dev/vdb2
        mkfs.ext4 -q /dev/vdb3
        mkfs.btrfs -q -f /dev/vdb4
        for i in 2 3 4; do mount /dev/vdb$i $mnt; echo kept > $mnt/file; umount $mnt; blkid -o value -s UUID /dev/vdb$i; done
        dump -0 -q -f - /dev/vdb3 > $mnt.dump
        [ -s $mnt.dump ]

        # Volumes.
        wipefs -q -a /dev/vdb4
        pvcreate -q -y /dev/vdb4
        vgcreate -q vg /dev/vdb4
        lvcreate -q -y -n volume -L 100M vg
        [ -b /dev/vg/volume ]
        echo secret | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/vg/volume -
        echo secret | cryptsetup open /dev/vg/volume plain --key-file -
        mkfs.ext4 -q /dev/mapper/plain
        cryptsetup close plain
        vgchange -q -an vg

        # Boot loaders, for both kinds of firmware.
        mount /dev/vdb3 $mnt
        mkdir -p $mnt/boot/efi
        mount /dev/vdb2 $mnt/boot/efi
        grub-install --target=i386-pc --boot-directory=$mnt/boot /dev/vdb
        grub-install --target=x86_64-efi --boot-directory=$mnt/boot --efi-directory=$mnt/boot/efi --removable --no-nvram
        [ -s $mnt/boot/efi/EFI/BOOT/BOOTX64.EFI ]
        [ -s $mnt/boot/grub/i386-pc/core.img ]
        umount -R $mnt
        qemu-img create -q -f qcow2 $mnt.qcow2 1G
        modprobe nbd
        qemu-nbd --connect=/dev/nbd0 $mnt.qcow2
        qemu-nbd --disconnect /dev/nbd0
        [ $(pidof channel-agent | wc -w) -ge 1 ]
        channel-agent result "$(cat /etc/debian_version)"
        """;

    [Fact]
    public async Task Partitions_file_systems_volumes_and_boot_loaders_are_made_in_the_Debian_appliance()
    {
        var options = ApplianceFolder.Options(await DebianAppliance.FolderAsync());
        Assert.True(options.MemoryMiB >= 1024 && options.IsDiskReadOnly);
        using var rig = new InstallRig(appliance);
        rig.Options = rig.Options with { Launcher = new QemuLauncher(options) };
        rig.Write("untrusted/create", Tools);
        TargetDisk[] disks = [rig.NewDisk("first.img", 1 << 30), rig.NewDisk("second.img", 512 << 20)];
        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = disks });
        Assert.True(result.Outcome == InstallOutcome.Succeeded, $"{result.Reason}\n{string.Join("\n", events.TakeLast(60).Select(InstallEventText.Line))}");
        Assert.StartsWith("12.", Encoding.UTF8.GetString(result.UntrustedResult!.Value.Span));
    }

    [Theory]
    [InlineData(ApplianceTransport.UserNet)]
    [InlineData(ApplianceTransport.Vsock)]
    public async Task The_Debian_appliance_is_reached_over_a_network_and_vsock(ApplianceTransport transport)
    {
        using var rig = new InstallRig(appliance);
        rig.Options = rig.Options with { Launcher = new QemuLauncher(ApplianceFolder.Options(await DebianAppliance.FolderAsync()) with { Transport = transport, ForwardProgram = Path.Combine(appliance.Root, "artifacts/host/channel-forward") }) };
        rig.Write("untrusted/create", "#!/bin/bash\nchannel-agent result \"$(hostname) $DISK_COUNT\"\n");
        var (result, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal("appliance 0", Encoding.UTF8.GetString(result.UntrustedResult!.Value.Span));
    }

    // Two builds of a minute or more each.
    [Fact]
    [Trait(Lane.Name, Lane.Lengthy)]
    public async Task The_same_packages_give_the_same_bytes_and_a_hook_changes_them()
    {
        var first = await DebianAppliance.FolderAsync();
        var folder = Directory.CreateTempSubdirectory("channelsdk-debian-");
        try
        {
            // All packages are there: nothing is fetched, least of all from a mirror that does not answer.
            Task<string> BuildAsync(string name, params string[] more) => DiskGuest.RunAsync(TimeSpan.FromMinutes(20), Path.Combine(appliance.Root, "scripts/build-appliance.sh"),
                ["--kind", "debian", "--output", Path.Combine(folder.FullName, name), "--lock", Path.Combine(first, "packages.lock"), "--mirror", "http://127.0.0.1:9/debian", .. more]);
            async Task<string> RootOfAsync(string place) => (await DiskGuest.RunAsync("sha256sum", Path.Combine(place, "root.squashfs")))[..64];
            await BuildAsync("again");
            Assert.Equal(await RootOfAsync(first), await RootOfAsync(folder.FullName + "/again"));
            var hooks = folder.CreateSubdirectory("hooks").FullName;
            await File.WriteAllTextAsync($"{hooks}/10-hook", "#!/bin/sh\nset -e\nls \"$APPLIANCE_MODULES/lib/modules\" > \"$1/srv/kernel\"\nchroot \"$1\" dpkg --configure -a\n");
            File.SetUnixFileMode($"{hooks}/10-hook", (UnixFileMode)0b111_101_101);
            Assert.Contains("hook 10-hook", await BuildAsync("hooked", "--hooks", hooks), StringComparison.Ordinal);
            Assert.Contains("-cloud-amd64", await DiskGuest.RunAsync("unsquashfs", "-cat", folder.FullName + "/hooked/root.squashfs", "srv/kernel"), StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
