using System.Globalization;
using ChannelSdk.Cli.Commands;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Model;

namespace ChannelSdk.Guest.Tests;

/// <summary>Images that a Debian appliance writes to disks, which boot by themselves then.</summary>
[Collection("appliance")]
public sealed class ImageInstallTests(Appliance appliance) : IDisposable
{
    private const long DiskBytes = 256L << 20;

    // The files that the example installs, from an appliance with its hook.
    private const string Tree = """
        set -e
        mkdir "$2/appliance" "$2/tree"
        (cd "$2/appliance" && cpio -i --quiet < "$1")
        cp -a "$2/appliance/srv/system/." "$2/tree/"
        cp -a "$2/appliance/bin/busybox" "$2/tree/bin/"
        cp -a "$2/appliance/usr/sbin/channel-agent" "$2/appliance/usr/sbin/agent-loop" "$2/tree/usr/sbin/"
        cp -a "$2/appliance/modules" "$2/tree/"
        cp -a "$2/appliance/etc/rc"* "$2/tree/etc/"
        echo 'LABEL=elsewhere / xfs defaults 0 1' > "$2/tree/etc/fstab"
        tar -C "$2/tree" --zstd -cf "$2/root.tar.zst" .
        """;

    private readonly InstallRig _rig = new(appliance, deadline: TimeSpan.FromMinutes(4));

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromMinutes(5)).Token;

    public void Dispose() => _rig.Dispose();

    private async Task<(InstallResult Result, List<InstallEvent> Events)> RunAsync(TargetDisk disk, Func<InstanceRecord, InstanceRecord> change)
    {
        _rig.Options = _rig.Options with { Launcher = new QemuLauncher(ApplianceFolder.Options(await DebianAppliance.FolderAsync())) };
        _rig.Records.Put(change(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install }));
        var operation = _rig.Start(new InstallRequest { Instance = "vm1", Disks = [disk] });
        var events = await operation.Events.ReadAsync(0, Soon).ToListAsync(Soon);
        return (await operation.Completion.WaitAsync(Soon), events);
    }

    private async Task InstallAsync(TargetDisk disk, Func<InstanceRecord, InstanceRecord> change)
    {
        var (result, events) = await RunAsync(disk, change);
        Assert.True(result.Outcome == InstallOutcome.Succeeded, $"{result.Reason}\n{string.Join("\n", events.TakeLast(40).Select(InstallEventText.Line))}");
        Assert.Contains(events, e => e is ProgressMadeEvent { Percent: 100 });
        // The partition ends with the disk, and its file system with the partition.
        var bytes = new FileInfo(disk.Path).Length - (1 << 20);
        Assert.Matches($"start= *2048, size= *{bytes / 512},", await DiskGuest.RunAsync("sfdisk", "--dump", disk.Path));
        var facts = await DiskGuest.RunAsync("dumpe2fs", "-h", $"{disk.Path}?offset={1 << 20}");
        long Fact(string name) => long.Parse(facts.Split('\n').Single(line => line.StartsWith(name + ":", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture);
        Assert.Equal(bytes / Fact("Block size"), Fact("Block count"));
    }

    /// <summary>Boots a disk, and reads a file of its system.</summary>
    private static async Task<string> BootAndReadAsync(TargetDisk disk, string file)
    {
        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Arguments = ["-drive", $"file={disk.Path},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,bootindex=1"],
        }, Soon);
        await using var host = new ChannelHost();
        var system = host.Attach("vm1", guest.ChannelUri);
        await system.WaitReadyAsync(Soon);
        Assert.Contains("Busybox OS", (await system.Info.GetAsync(Soon)).ToString(), StringComparison.Ordinal);
        var copy = $"{disk.Path}{file.Replace('/', '-')}";
        await system.Files.CopyOutAsync(file, copy, cancellationToken: Soon);
        return await File.ReadAllTextAsync(copy);
    }

    [Fact]
    public async Task A_tar_is_installed_and_boots_and_so_do_a_qcow2_and_a_vmdk_of_its_disk()
    {
        await DiskGuest.RunAsync(TimeSpan.FromMinutes(5), Path.Combine(appliance.Root, "scripts/build-appliance.sh"), "--output", _rig.At("example"), "--hooks", Path.Combine(appliance.Root, "examples/busybox-os/appliance"));
        await DiskGuest.RunAsync("sh", "-c", Tree, "sh", _rig.At("example/initrd"), Path.GetDirectoryName(_rig.At("example"))!);
        var small = _rig.NewDisk("small.img", 96 << 20);
        await InstallAsync(small, r => (r with { OsImage = _rig.At("root.tar.zst") })
            .With("kernel_options", OsParameter.Public("root=/dev/vda1 console=ttyS0 quiet panic=-1 no_timer_check")));
        Assert.Matches("^UUID=[0-9a-f-]{36} / ext4 ", await BootAndReadAsync(small, "/etc/fstab"));

        await DiskGuest.RunAsync("qemu-img", "convert", "-f", "raw", "-O", "qcow2", small.Path, _rig.At("small.qcow2"));
        var large = _rig.NewDisk("qcow2.img", DiskBytes);
        await InstallTests.WritePackageAsync(_rig.At("p.tar.gz"));
        await InstallAsync(large, r => r with { OsImage = _rig.At("small.qcow2"), PersonalizationUrl = $"file://{_rig.At("p.tar.gz")}" });
        Assert.Equal("laid over", await BootAndReadAsync(large, "/etc/motd"));
        Assert.True(await UsedAsync(large) < DiskBytes / 2);

        await DiskGuest.RunAsync("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", small.Path, _rig.At("small.vmdk"));
        var other = _rig.NewDisk("vmdk.img", DiskBytes);
        await InstallAsync(other, r => r with { OsImage = _rig.At("small.vmdk") });
        Assert.Matches("^UUID=", await BootAndReadAsync(other, "/etc/fstab"));
    }

    [Fact]
    public async Task A_qcow2_with_a_backing_file_of_the_host_is_refused_and_nothing_is_written()
    {
        await DiskGuest.RunAsync("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", _rig.At("backed.qcow2"), "1M");
        var disk = _rig.NewDisk("disk.img");
        var (result, _) = await RunAsync(disk, r => r with { OsImage = _rig.At("backed.qcow2") });
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("the image has a backing file, which would be read too; it is refused", result.Reason);
        Assert.Equal(0, await UsedAsync(disk));
    }

    private static async Task<long> UsedAsync(TargetDisk disk) => long.Parse(await DiskGuest.RunAsync("stat", "-c", "%b", disk.Path), CultureInfo.InvariantCulture) * 512;
}
