using ChannelSdk.Cli.Commands;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What the files in an appliance's folder make of its machine.</summary>
public class ApplianceFolderTests
{
    [Fact]
    public void A_folder_tells_the_disk_and_the_least_memory_of_its_machine()
    {
        using var folder = new TestFolder();
        Assert.Contains("it has no vmlinuz", Assert.Throws<ChannelException>(() => ApplianceFolder.Options(folder.Path)).Message);
        folder.Write("vmlinuz", "");
        folder.Write("initrd", "");
        var plain = ApplianceFolder.Options(folder.Path);
        Assert.Equal((null, false, 512), (plain.Disk, plain.IsDiskReadOnly, plain.MemoryMiB));

        var image = folder.Write("disk.qcow2", "");
        folder.Write("appliance.toml", "[machine]\nmemory = 64\n");
        var layered = ApplianceFolder.Options(folder.Path);
        Assert.Equal((image, "qcow2", false, 512), (layered.Disk, layered.DiskFormat, layered.IsDiskReadOnly, layered.MemoryMiB));

        var root = folder.Write("root.squashfs", "");
        folder.Write("appliance.toml", "[machine]\nmemory = 2048 # MiB\n");
        var shared = ApplianceFolder.Options(folder.Path);
        Assert.Equal((root, "raw", true, 2048), (shared.Disk, shared.DiskFormat, shared.IsDiskReadOnly, shared.MemoryMiB));
    }

    [Theory]
    [InlineData("[machine]\nmemory = 0\n", "appliance.toml:2: ")]
    [InlineData("[machine]\nmemory = \"1G\"\n", "appliance.toml:2: ")]
    [InlineData("[machine]\ncpus = 2\n", "appliance.toml:2: ")]
    public void A_mistake_in_its_settings_is_told_with_its_place(string settings, string place)
    {
        using var folder = new TestFolder();
        folder.Write("vmlinuz", "");
        folder.Write("initrd", "");
        folder.Write("appliance.toml", settings);
        var e = Assert.Throws<ChannelException>(() => ApplianceFolder.Options(folder.Path));
        Assert.Equal(ChannelError.BadConfiguration, e.Code);
        Assert.Contains(place, e.Message);
    }
}
