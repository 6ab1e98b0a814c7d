using System.Text;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;

namespace ChannelSdk.Guest.Tests;

/// <summary>What a script in a real appliance sees of the instance's hardware.</summary>
[Collection("appliance")]
public class ApplianceHardwareTests(Appliance appliance)
{
    private const string Script = """
        #!/bin/sh
        PATH=$PATH:/bin:/sbin
        memory=$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)
        [ $memory -gt 250000 ] && [ $memory -lt 320000 ] || exit 7
        channel-agent result "$(nproc) $(cat /sys/class/net/eth*/address | tr '\n' ' ')$(cat /proc/partitions | grep -c ' vd') $DISK_0_PATH"
        """;

    /// <summary>By a link, too, which has to be found among the instance's network interfaces.</summary>
    [Theory]
    [InlineData(ApplianceTransport.VirtioSerial, "")]
    [InlineData(ApplianceTransport.UserNet, "02:00:a9:fe:a9:01 ")]
    [InlineData(ApplianceTransport.Tap, "02:00:a9:fe:a9:01 ")]
    public async Task A_script_sees_the_instances_memory_processors_and_addresses(ApplianceTransport transport, string link)
    {
        using var rig = new InstallRig(appliance, transport);
        rig.Write("untrusted/create", Script);
        rig.Records.Change("vm1", r => r with
        {
            Disks = [rig.NewDisk("disk.img")],
            BackendParameters = new Dictionary<string, string> { [InstanceRecord.MemoryParameter] = "320", [InstanceRecord.CpusParameter] = "2" },
            Nics = [new InstanceNic("aa:00:00:12:34:56"), new InstanceNic("aa:00:00:12:34:57") { Link = "br0" }],
        });
        var (result, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal("", result.Reason);
        Assert.Equal($"2 aa:00:00:12:34:56 aa:00:00:12:34:57 {link}1 /dev/vda", Encoding.UTF8.GetString(result.UntrustedResult!.Value.Span));
    }
}
