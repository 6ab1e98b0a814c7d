using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>The folder of an appliance: vmlinuz, initrd and, if it has one, its disk as disk.img (raw) or disk.qcow2.</summary>
public static class ApplianceFolder
{
    private static readonly string[] s_disks = ["disk.img", "disk.qcow2"];

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it is no such folder.</exception>
    public static QemuLauncherOptions Options(string folder)
    {
        string Find(string name) => File.Exists(Path.Combine(folder, name)) ? Path.Combine(folder, name)
            : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{folder} is no appliance: it has no {name}; 'channelctl appliance build' makes one");
        var disk = s_disks.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return new QemuLauncherOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Find("vmlinuz"),
            Initrd = Find("initrd"),
            Disk = disk,
            DiskFormat = disk?.EndsWith(".qcow2", StringComparison.Ordinal) == true ? "qcow2" : "raw",
        };
    }
}
