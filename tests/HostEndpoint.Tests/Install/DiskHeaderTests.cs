using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>A disk that is given as raw and is an image of another format is told before its guest writes over its header.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class DiskHeaderTests : IDisposable
{
    private readonly InstallRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("qcow2", "qcow2")]
    [InlineData("vmdk", "VMDK")]
    [InlineData("vhdx", "VHDX")]
    [InlineData("vpc", "VHD")]
    [InlineData("vdi", "VDI")]
    [InlineData("qed", "QED")]
    [InlineData("raw", null)]
    public async Task The_images_of_qemu_img_are_known_by_their_first_bytes(string made, string? format)
    {
        Assert.Equal(format, DiskHeader.FormatOf(await MakeAsync(made)));
    }

    [Fact]
    public async Task What_is_no_disk_has_no_format_and_holds_nothing_up()
    {
        Assert.Null(DiskHeader.FormatOf(_rig.At("nothing")));
        Assert.Null(DiskHeader.FormatOf(_rig.State));
        Assert.Null(DiskHeader.FormatOf("/dev/zero"));
        Assert.Equal(0, await ChildProcess.RunAsync("/usr/bin/mkfifo", _rig.At("pipe")));
        Assert.Null(DiskHeader.FormatOf(_rig.At("pipe")));
        await File.WriteAllBytesAsync(_rig.At("short"), [.. "QF"u8]);
        Assert.Null(DiskHeader.FormatOf(_rig.At("short")));
    }

    [Fact]
    public async Task A_disk_without_a_format_is_refused_by_the_tool_and_one_with_it_is_taken()
    {
        var disk = await MakeAsync("qcow2");

        var (code, _, error) = await SetAsync(disk);
        Assert.Equal(2, code);
        Assert.Contains($"the disk {disk} is given as raw and begins as a qcow2 image", error, StringComparison.Ordinal);
        Assert.Contains($"give it as {disk}:qcow2 if it is one, or as {disk}:raw", error, StringComparison.Ordinal);
        Assert.Empty(_rig.Records.Get("vm1").Disks);

        Assert.Equal(0, (await SetAsync($"{disk}:qcow2")).Code);
        Assert.Equal([new TargetDisk(disk, "qcow2")], _rig.Records.Get("vm1").Disks);
        Assert.Equal(0, (await SetAsync($"{disk}:raw")).Code);
        Assert.Equal([new TargetDisk(disk)], _rig.Records.Get("vm1").Disks);

        (code, _, error) = await ToolRun.RunAsync(TimeSpan.FromSeconds(60), ["install", "create", "vm1", "--state", _rig.State, "--definitions", _rig.At("definitions"), "--disk", disk]);
        Assert.Equal(2, code);
        Assert.Contains("begins as a qcow2 image", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operation_on_a_doubtful_disk_says_so_in_its_log()
    {
        var disk = await MakeAsync("vmdk");
        _rig.Write("os/create", "#!/bin/sh\n");

        var (result, events) = await _rig.RunAsync(r => r with { Disks = [new TargetDisk(disk)] });

        Assert.Equal("", result.Reason);
        Assert.Contains(events, e => e is LogEvent { Level: InstallLogLevel.Warning } log
            && log.Text.Contains($"the disk {disk} is given as raw and begins as a VMDK image, whose header its guest would write over", StringComparison.Ordinal));
    }

    private Task<(int Code, string Out, string Error)> SetAsync(string disk) => ToolRun.RunAsync(TimeSpan.FromSeconds(60), ["instance", "set", "vm1", "--state", _rig.State, "--disk", disk]);

    private async Task<string> MakeAsync(string format)
    {
        var path = _rig.At($"disk.{format}");
        Assert.Equal(0, await ChildProcess.RunAsync("/usr/bin/qemu-img", "create", "-q", "-f", format, path, "16M"));
        return path;
    }
}
