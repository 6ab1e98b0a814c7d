using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Machines;

/// <summary>What QEMU is told of a machine's devices.</summary>
public class QemuDevicesTests
{
    private static readonly TargetDisk[] s_disks = [new("/srv/a.img"), new("/dev/vg/b")];

    [Theory]
    [InlineData(DiskBus.Virtio, "virtio-blk-pci,drive=disk0,id=disk0,serial=disk0,addr=9,bootindex=1", "virtio-blk-pci,drive=disk1,id=disk1,serial=disk1,addr=a")]
    [InlineData(DiskBus.Scsi, "scsi-hd,drive=disk0,id=disk0,serial=disk0,bus=scsi0.0,scsi-id=0,bootindex=1", "scsi-hd,drive=disk1,id=disk1,serial=disk1,bus=scsi0.0,scsi-id=1")]
    [InlineData(DiskBus.Ide, "ide-hd,drive=disk0,id=disk0,serial=disk0,bus=ide.0,unit=0,bootindex=1", "ide-hd,drive=disk1,id=disk1,serial=disk1,bus=ide.0,unit=1")]
    public void Disks_are_in_their_order_at_the_bus_that_is_asked_for(DiskBus bus, string first, string second)
    {
        string[] arguments = [.. QemuDevices.Disks(s_disks, bus, 1)];
        Assert.True(Array.IndexOf(arguments, first) < Array.IndexOf(arguments, second) && arguments.Contains(first));
        Assert.Contains(arguments, text => text.Contains("\"driver\":\"host_device\",\"filename\":\"/dev/vg/b\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(DiskBus.Virtio, 24)]
    [InlineData(DiskBus.Ide, 4)]
    public void More_disks_than_a_bus_has_places_are_refused(DiskBus bus, int count)
    {
        var error = Assert.Throws<ChannelException>(() => QemuDevices.Disks([.. Enumerable.Repeat(s_disks[0], count)], bus, null));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        Assert.Contains($"{count} disks are more than the {count - 1} that a machine can have by", error.Message);
    }

    [Fact]
    public void A_medium_cannot_be_written_and_may_come_first()
    {
        string[] arguments = [.. QemuDevices.Medium("/srv/x.iso", 0)];
        Assert.Contains("\"read-only\":true,\"file\":{\"driver\":\"file\",\"filename\":\"/srv/x.iso\",\"discard\":\"unmap\",\"read-only\":true}", arguments[1]);
        Assert.Contains("ide-cd,drive=medium,id=medium,bus=ide.1,unit=1,bootindex=0", arguments);
    }

    [Fact]
    public void Network_interfaces_have_their_addresses_and_those_with_a_bridge_a_tap()
    {
        MachineNic[] nics = [.. Enumerable.Range(0, 9).Select(i => new MachineNic($"aa:00:00:00:00:0{i}", i == 8 ? "br0" : null))];
        string[] alone = [.. QemuDevices.Nics(nics, NicModel.Virtio, null)];
        Assert.DoesNotContain("-netdev", alone);
        Assert.Contains("virtio-net-pci,id=nic0,mac=aa:00:00:00:00:00,addr=2.0,multifunction=on,romfile=", alone);
        string[] joined = [.. QemuDevices.Nics(nics, NicModel.E1000, i => $"tap{i}", 2)];
        Assert.Equal(["tap,id=nic8,ifname=tap8,script=no,downscript=no"], joined.Where(text => text.StartsWith("tap,", StringComparison.Ordinal)));
        Assert.Contains("e1000,id=nic0,mac=aa:00:00:00:00:00,addr=2.0,multifunction=on,bootindex=2", joined);
        Assert.Contains("e1000,id=nic8,mac=aa:00:00:00:00:08,addr=3.0,multifunction=on,netdev=nic8", joined);
        Assert.Throws<ChannelException>(() => QemuDevices.Nics([.. Enumerable.Repeat(nics[0], 25)], NicModel.Virtio, null));
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void A_machine_without_a_channel_has_no_port_for_it(bool hasChannel, bool hasPort)
    {
        using var files = new QemuDescriptors();
        string[] arguments = [.. QemuArguments.Of(new QemuOptions { Accelerator = "tcg", HasChannel = hasChannel }, "/run/vm1", files)];
        Assert.Equal(hasPort, arguments.Any(static text => text.Contains("channel.sock", StringComparison.Ordinal) || text.Contains("virtio-serial", StringComparison.Ordinal) || text.Contains("virtserialport", StringComparison.Ordinal)));
    }
}
