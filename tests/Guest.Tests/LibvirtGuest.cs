using System.Diagnostics;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// The test guest as a domain of its own libvirt daemon, which runs as nobody in its own folder and ends with it.
/// </summary>
public sealed class LibvirtGuest : IAsyncDisposable
{
    private const string Domain = """
        <domain type='qemu'>
          <name>vm1</name><memory unit='MiB'>160</memory><vcpu>1</vcpu>
          <os><type arch='x86_64' machine='pc'>hvm</type><kernel>FOLDER/vmlinuz</kernel><initrd>FOLDER/initrd</initrd>
            <cmdline>console=ttyS0 quiet panic=-1 no_timer_check</cmdline></os>
          <features><acpi/></features>
          <on_reboot>destroy</on_reboot>
          <devices>
            <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='FOLDER/disk.img'/><target dev='vda' bus='virtio'/></disk>
            <controller type='usb' model='none'/>
            <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
            <serial type='unix'><source mode='bind' path='FOLDER/console.sock'/></serial>
            <memballoon model='none'/>
          </devices>
        </domain>
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-libvirt-");
    private Process? _daemon;
    private GuestConsole? _console;

    private LibvirtGuest()
    {
    }

    public GuestConsole Console => _console!;

    private string Folder => _folder.FullName;

    /// <summary>Boots the domain with a disk at /mnt and waits until libvirt sees the agent.</summary>
    public static async Task<LibvirtGuest> BootAsync()
    {
        var guest = new LibvirtGuest();
        try
        {
            await guest.SetUpAsync();
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>All that virsh says.</summary>
    public async Task<string> VirshAsync(params string[] arguments)
    {
        using var process = Start("virsh", ["-c", "qemu:///session", .. arguments]);
        var output = process.StandardOutput.ReadToEndAsync(SavedGuest.Soon);
        var error = process.StandardError.ReadToEndAsync(SavedGuest.Soon);
        await process.WaitForExitAsync(SavedGuest.Soon);
        return (await output + await error).Trim();
    }

    public async ValueTask DisposeAsync()
    {
        if (_console is not null)
        {
            await _console.DisposeAsync();
            await VirshAsync("destroy", "vm1");
        }

        if (_daemon is not null)
        {
            _daemon.Kill(entireProcessTree: true);
            await _daemon.WaitForExitAsync();
            _daemon.Dispose();
        }

        _folder.Delete(recursive: true);
    }

    private async Task SetUpAsync()
    {
        var cache = Path.Combine(SavedGuest.FindRoot(), ".cache/guest");
        foreach (var name in new[] { "vmlinuz", "initrd" })
        {
            File.Copy(Path.Combine(cache, name), Path.Combine(Folder, name));
        }

        await using (var disk = File.Create(Path.Combine(Folder, "disk.img")))
        {
            disk.SetLength(32 << 20);
        }

        await DiskGuest.RunAsync("mkfs.ext4", "-q", Path.Combine(Folder, "disk.img"));
        Directory.CreateDirectory(Path.Combine(Folder, "run"));
        Directory.CreateDirectory(Path.Combine(Folder, "config/libvirt"));
        await File.WriteAllTextAsync(Path.Combine(Folder, "config/libvirt/qemu.conf"), "stdio_handler = \"file\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n");
        await File.WriteAllTextAsync(Path.Combine(Folder, "domain.xml"), Domain.Replace("FOLDER", Folder, StringComparison.Ordinal));
        await DiskGuest.RunAsync("chown", "-R", "nobody:nogroup", Folder);
        _daemon = Start("libvirtd");
        var create = "";
        await WaitAsync(async () => (create = await VirshAsync("create", $"{Folder}/domain.xml")).Contains("created", StringComparison.Ordinal), () => create);
        _console = await GuestConsole.ConnectAsync(Path.Combine(Folder, "console.sock"));
        await Console.WaitForAsync("GUEST-READY");
        Assert.EndsWith("mounted", await Console.ShAsync("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt && echo mounted"));
        var ping = "";
        await WaitAsync(async () => (ping = await VirshAsync("qemu-agent-command", "vm1", "{\"execute\":\"guest-ping\"}")).Contains("return", StringComparison.Ordinal), () => ping);
    }

    private static async Task WaitAsync(Func<Task<bool>> isThere, Func<string> said)
    {
        for (var limit = Stopwatch.StartNew(); !await isThere();)
        {
            Assert.True(limit.Elapsed < TimeSpan.FromSeconds(90), said());
            await Task.Delay(200);
        }
    }

    private Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("setpriv", ["--reuid=nobody", "--regid=nogroup", "--clear-groups", program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Folder,
        };
        foreach (var (name, place) in new[] { ("HOME", ""), ("XDG_RUNTIME_DIR", "run"), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data") })
        {
            start.Environment[name] = Path.Combine(Folder, place);
        }

        var process = Process.Start(start)!;
        if (arguments.Length == 0)
        {
            // The daemon's output; the test does not use it, and a full pipe would stop the daemon.
            process.OutputDataReceived += static (_, _) => { };
            process.ErrorDataReceived += static (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        return process;
    }
}
