using System.Text.Json;
using ChannelSdk.Install.Machines;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>channelctl snapshot with real machines, each command as a process of its own.</summary>
[Collection("copies")]
public sealed class SnapshotToolTests : IAsyncLifetime, IDisposable
{
    private readonly ToolFolder _tool = new();

    public async Task InitializeAsync()
    {
        var root = SavedGuest.FindRoot();
        Directory.CreateDirectory(_tool.State);
        using (var disk = File.Create(_tool.At("disk.img")))
        {
            disk.SetLength(8 << 20);
        }

        await _tool.OkAsync("instance", "set", "vm1", "--memory", "128", "--communication", "true", "--disk", _tool.At("disk.img"),
            "--hv", $"kernel_path={root}/.cache/guest/vmlinuz", "--hv", $"initrd_path={root}/.cache/guest/initrd");
        await _tool.OkAsync("instance", "start", "vm1");
        await _tool.OkAsync("ping", Channel("vm1"), "--timeout", "100");
    }

    public async Task DisposeAsync()
    {
        foreach (var name in (string[])["vm1", "vm2"])
        {
            await _tool.RunAsync("instance", "stop", name, "--timeout", "0", "--force");
        }
    }

    public void Dispose() => _tool.Dispose();

    [Fact]
    public async Task An_instance_is_cloned_and_put_back()
    {
        await WriteAsync("vm1", "before");
        using var stamp = JsonDocument.Parse(await _tool.OkAsync("snapshot", "create", "vm1", "s1", "--no-gate", "--json"));
        Assert.Equal(("memory", _tool.At("disk.img")), (stamp.RootElement.GetProperty("kind").GetString(), stamp.RootElement.GetProperty("disks")[0].GetString()));
        Assert.Contains("disks/vm1/s1-", await _tool.OkAsync("instance", "show", "vm1"));
        await WriteAsync("vm1", "after");

        Assert.Contains("vm2 is ready, generation ", await _tool.OkAsync("snapshot", "clone", "vm1", "s1", "vm2"));
        Assert.Equal("before", await FirstLineAsync("vm2"));
        Assert.Equal("vm2", (await _tool.OkAsync("exec", Channel("vm2"), "--", "/bin/busybox", "hostname")).Trim());
        await WriteAsync("vm2", "clone");
        Assert.Equal("after", await FirstLineAsync("vm1"));

        await RefusedAsync("it is put back as a whole", "snapshot", "restore", "vm1", "s1");
        await RefusedAsync("has a record already", "snapshot", "clone", "vm1", "s1", "vm2");
        await RefusedAsync("is a snapshot already", "snapshot", "create", "vm1", "s1", "--no-gate");
        await RefusedAsync("is no snapshot", "snapshot", "clone", "vm1", "s2", "vm3");
        await _tool.OkAsync("instance", "set", "vm1", "--memory", "160");
        await _tool.RunAsync("instance", "stop", "vm1", "--timeout", "0", "--force");
        await RefusedAsync("its memory is '160 MiB', and of the snapshot '128 MiB'", "snapshot", "restore", "vm1", "s1");
        await _tool.OkAsync("instance", "set", "vm1", "--memory", "128");
        using var restored = JsonDocument.Parse(await _tool.OkAsync("snapshot", "restore", "vm1", "s1", "--json"));
        Assert.Equal("random", restored.RootElement.GetProperty("steps")[0].GetProperty("name").GetString());
        Assert.Equal("before", await FirstLineAsync("vm1"));
        Assert.NotEqual("vm2", (await _tool.OkAsync("exec", Channel("vm1"), "--", "/bin/busybox", "hostname")).Trim());
        Assert.Single(Directory.EnumerateFiles(Path.Combine(_tool.State, "disks/vm1")));

        Assert.StartsWith("vm1 s1 memory ", await _tool.OkAsync("snapshot", "list"));
        Assert.Equal("s1 is removed\n", await _tool.OkAsync("snapshot", "remove", "vm1", "s1"));
        Assert.Equal("there was no s1\n", await _tool.OkAsync("snapshot", "remove", "vm1", "s1"));
        Assert.Equal("clone", await FirstLineAsync("vm2"));
    }

    [Fact]
    public async Task Disks_alone_are_copied_by_a_command_and_the_copy_boots()
    {
        await WriteAsync("vm1", "before");
        await RefusedAsync("ended with code 3, so there is no snapshot", "snapshot", "create", "vm1", "s1", "--kind", "disk", "--disk-command", "exit 3");
        await _tool.OkAsync("snapshot", "create", "vm1", "s1", "--kind", "disk", "--disk-command", $"cp $DISK_0_PATH {_tool.At("$SNAPSHOT-$INSTANCE.img")}");
        await WriteAsync("vm1", "after");
        await RefusedAsync("give the copies that this machine shall have", "snapshot", "clone", "vm1", "s1", "vm2");
        Assert.Contains("its programs ran before it was repaired", await _tool.OkAsync("snapshot", "clone", "vm1", "s1", "vm2", "--disk", _tool.At("s1-vm1.img")));
        Assert.Equal("before", await FirstLineAsync("vm2"));
        Assert.Equal("after", await FirstLineAsync("vm1"));
    }

    private string Channel(string name) => InstanceMachines.Find(_tool.State, name)!.ChannelUri!;

    private async Task WriteAsync(string name, string text) => await _tool.OkAsync("exec", Channel(name), "--", "/bin/busybox", "sh", "-c",
        $"[ -e /dev/vda ] || {{ {DiskGuest.LoadModules} }}; echo {text} | dd of=/dev/vda conv=fsync 2>/dev/null");

    private async Task<string> FirstLineAsync(string name) => (await _tool.OkAsync("exec", Channel(name), "--", "/bin/busybox", "sh", "-c",
        $"[ -e /dev/vda ] || {{ {DiskGuest.LoadModules} }}; dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -n 1")).Trim();

    private async Task RefusedAsync(string why, params string[] arguments)
    {
        var (code, _, error) = await _tool.RunAsync(arguments);
        Assert.Equal(4, code);
        Assert.Contains(why, error);
    }
}
