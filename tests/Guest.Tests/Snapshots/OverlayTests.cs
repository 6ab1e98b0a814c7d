using System.Globalization;
using System.Text.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>The overlays that copies write to, as QEMU's own tools see them.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class OverlayTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-overlays-");
    private readonly QemuSnapshots _snapshots = new(new QemuMachineLauncher(new QemuMachineOptions()));

    [Theory]
    [InlineData(512)]
    [InlineData((8 << 20) + 100)]
    [InlineData(3L << 40)]
    public async Task An_overlay_of_an_overlay_is_as_large_as_the_disk_and_takes_writes_at_its_end(long bytes)
    {
        var disk = new TargetDisk(At("disk, 1.img"));
        using (var file = File.Create(disk.Path))
        {
            file.SetLength(bytes);
        }

        var size = (bytes + 511) / 512 * 512;
        var first = await _snapshots.OverlayAsync(disk, At("first.qcow2"));
        var second = await _snapshots.OverlayAsync(first, At("second.qcow2"));

        Assert.Equal(
            [(At("second.qcow2"), "qcow2", size), (At("first.qcow2"), "qcow2", size), (At("disk, 1.img"), "raw", size)], await ChainAsync(second));
        var last = (size - 512).ToString(CultureInfo.InvariantCulture);
        await DiskGuest.RunAsync("qemu-io", "-f", "qcow2", "-c", $"write -P 7 {last} 512", second.Path);
        await DiskGuest.RunAsync("qemu-io", "-f", "qcow2", "-c", $"read -P 7 {last} 512", second.Path);
        await DiskGuest.RunAsync("qemu-img", "check", "-q", "-f", "qcow2", second.Path);
        await DiskGuest.RunAsync("qemu-img", "check", "-q", "-f", "qcow2", first.Path);
        Assert.Equal(bytes, new FileInfo(disk.Path).Length);
    }

    [Fact]
    public async Task What_no_overlay_can_begin_as_is_refused_and_says_why()
    {
        File.WriteAllBytes(At("text.img"), new byte[4096]);
        File.WriteAllText(At("empty.img"), "");
        Assert.Contains("no image of the format qcow2", await RefusedAsync(new TargetDisk(At("text.img"), "qcow2")));
        Assert.Contains("its size is 0 bytes", await RefusedAsync(new TargetDisk(At("empty.img"))));
        Assert.Contains("missing.img", await RefusedAsync(new TargetDisk(At("missing.img"))));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private string At(string name) => Path.Combine(_folder.FullName, name);

    private async Task<string> RefusedAsync(TargetDisk disk)
    {
        var error = await Assert.ThrowsAsync<ChannelException>(() => _snapshots.OverlayAsync(disk, At("overlay.qcow2")));
        Assert.Equal(ChannelError.BadConfiguration, error.Code);
        return error.Message;
    }

    private static async Task<IReadOnlyList<(string Path, string Format, long Bytes)>> ChainAsync(TargetDisk disk)
    {
        using var json = JsonDocument.Parse(await DiskGuest.RunAsync("qemu-img", "info", "--backing-chain", "--output=json", "-f", "qcow2", disk.Path));
        return [.. json.RootElement.EnumerateArray().Select(static image =>
            (image.GetProperty("filename").GetString()!, image.GetProperty("format").GetString()!, image.GetProperty("virtual-size").GetInt64()))];
    }
}
