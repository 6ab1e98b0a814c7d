using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;

namespace ChannelSdk.Guest.Tests;

/// <summary>The data of disks out of a real appliance and into another.</summary>
[Collection("appliance")]
public class InstallDataTests(Appliance appliance)
{
    private const string InGuest = "#!/bin/sh\nset -e\nPATH=$PATH:/bin:/sbin\n";

    [Fact]
    public async Task Disks_that_were_exported_to_files_are_the_same_after_their_import_onto_others()
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/export", InGuest + """
            echo $(($(cat /sys/class/block/${EXPORT_DEVICE##*/}/size) * 512)) >&$EXP_SIZE_FD
            channel-agent send "disk $EXPORT_INDEX is read"
            cat $EXPORT_DEVICE
            """);
        rig.Write("export", "#!/bin/sh\nset -e\necho \"$(channelctl half receive), $(channelctl half receive)\"\n");
        rig.Write("untrusted/import", InGuest + "cat > $IMPORT_DEVICE\nchannel-agent progress 100 \"disk $IMPORT_INDEX\"\n");
        TargetDisk[] sources = [Fill(rig, "source0.img", 24 << 20), Fill(rig, "source1.img", 1 << 20)];
        TargetDisk[] copies = [rig.NewDisk("copy0.img", 24 << 20), rig.NewDisk("copy1.img", 1 << 20)];
        DiskData[] places = [DiskData.InFile(rig.At("0.dump")), DiskData.InFile(rig.At("1.dump"))];
        var (exported, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Export, Disks = sources, Data = places });
        Assert.Equal("", exported.Reason);
        Assert.Equal(sources.Select(Hash), exported.Data.Select(d => d.Sha256));
        Assert.Contains(events, e => e is OutputEvent { Party: InstallParty.Trusted, Text: "disk 0 is read, disk 1 is read" });
        Assert.Contains(events, e => e is DataMovedEvent { Disk: 0, Sha256: null, Total: 24 << 20 });
        var (imported, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Import, Disks = copies, Data = places });
        Assert.Equal("", imported.Reason);
        Assert.Equal(exported.Data, imported.Data);
        Assert.Equal(sources.Select(Hash), copies.Select(Hash));
    }

    private static TargetDisk Fill(InstallRig rig, string name, int bytes)
    {
        File.WriteAllBytes(rig.At(name), RandomNumberGenerator.GetBytes(bytes));
        return new TargetDisk(rig.At(name));
    }

    private static string Hash(TargetDisk disk)
    {
        using var file = File.OpenRead(disk.Path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
