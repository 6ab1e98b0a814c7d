namespace ChannelSdk.Guest.Tests;

/// <summary>An instance that installs itself by cloud-init, with none of our programs running in it.</summary>
[Collection("debian guest")]
public sealed class SelfInstallTests : IDisposable
{
    private const string Metadata = """
        instance_id: i-1
        hostname: vm1
        user_data: |
          #!/bin/sh
          python3 -c 'import urllib.request as r; print(r.urlopen("http://169.254.169.254/ganeti/latest/os/parameters.json", timeout=10).read().decode())' > /root/parameters
          python3 -c 'import urllib.request as r; print(r.urlopen("http://169.254.169.254/nocloud/meta-data", timeout=10).read().decode())' > /root/meta-data
          ls /run/channel-agent* > /root/agent 2>&1
        """;

    private readonly ToolFolder _tool = new();

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task An_instance_installs_itself_by_cloud_init_alone_from_its_record()
    {
        var (root, debian, disk) = (SavedGuest.FindRoot(), Path.Combine(SavedGuest.FindRoot(), ".cache/debian"), _tool.At("root.img"));
        await DiskGuest.RunAsync("cp", "--sparse=always", $"{debian}/root.img", disk);
        _tool.Write("metadata.yaml", Metadata);
        await _tool.OkAsync("instance", "set", "vm1", "--mode", "self_install", "--memory", "768", "--cpus", "2", "--disk", disk,
            "--package", "https://example.org/vm1.tgz", "--parameter", "color=blue",
            "--self-install", $"kernel_path={debian}/vmlinuz", "--self-install", $"initrd_path={debian}/initrd", "--self-install", "root_path=/dev/vda",
            "--self-install", "kernel_args=net.ifnames=0 systemd.mask=channel-agent.service", "--self-install", $"metadata={_tool.At("metadata.yaml")}");
        var output = await _tool.OkAsync("instance", "start", "vm1", "--deadline", "300", "--forward-program", $"{root}/artifacts/host/channel-forward");
        Assert.Contains("modules-final", output);
        Assert.Contains("vm1: Succeeded", output);
        Assert.Contains("\"color\"", await ReadAsync(disk, "/root/parameters"));
        Assert.Contains("blue", await ReadAsync(disk, "/root/parameters"));
        Assert.Contains("vm1", await ReadAsync(disk, "/root/meta-data"));
        Assert.Contains("No such file", await ReadAsync(disk, "/root/agent"));
        Assert.Equal("vm1 self_install stopped\n", await _tool.OkAsync("instance", "status", "vm1"));
        Assert.False(Directory.Exists(Path.Combine(_tool.State, "machines/vm1")));
    }

    private static Task<string> ReadAsync(string disk, string file) => InstallRig.ReadAsync(new Host.Launch.TargetDisk(disk), file);
}
