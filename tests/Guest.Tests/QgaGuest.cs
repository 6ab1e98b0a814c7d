using System.Diagnostics;
using System.Net.Sockets;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>A booted guest in which Debian's qemu-ga runs and our agent does not, with a disk at /mnt.</summary>
public sealed class QgaGuest : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-qga-");

    private QgaGuest()
    {
    }

    public QemuGuest Guest { get; private set; } = null!;

    public GuestConsole Console { get; private set; } = null!;

    /// <summary>The chardev of qemu-ga's port.</summary>
    public string Socket => Path.Combine(_folder.FullName, "qga.sock");

    /// <summary>A folder of the host's for the test.</summary>
    public string Folder => _folder.FullName;

    public static async Task<QgaGuest> BootAsync()
    {
        var root = SavedGuest.FindRoot();
        using (var build = Process.Start(new ProcessStartInfo(Path.Combine(root, "scripts/build-qga-guest.sh")) { WorkingDirectory = root })!)
        {
            await build.WaitForExitAsync();
            Assert.Equal(0, build.ExitCode);
        }

        var guest = new QgaGuest();
        var disk = Path.Combine(guest.Folder, "disk.img");
        await using (var file = File.Create(disk))
        {
            file.SetLength(64 << 20);
        }

        await DiskGuest.RunAsync("mkfs.ext4", "-q", disk);
        guest.Guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(root, ".cache/guest/vmlinuz"),
            Initrd = Path.Combine(root, ".cache/guest/initrd-qga"),
            MemoryMiB = 192,
            Append = "channel.agent=qemu-ga",
            Arguments =
            [
                "-chardev", $"socket,id=qga,path={guest.Socket},server=on,wait=off", "-device", "virtserialport,bus=vs0.0,nr=2,chardev=qga,name=org.qemu.guest_agent.0",
                "-drive", $"file={disk},format=raw,if=virtio",
            ],
        }, SavedGuest.Soon);
        guest.Console = await GuestConsole.ConnectAsync(guest.Guest.ConsoleSocket);
        await guest.Console.WaitForAsync("GUEST-READY");
        Assert.EndsWith("mounted", await guest.Console.ShAsync("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt && echo mounted"));
        return guest;
    }

    /// <summary>A host's own instance, attached and answered.</summary>
    public async Task<(ChannelHost Host, Instance Instance)> AttachAsync(Action<string>? alarm = null)
    {
        var host = new ChannelHost();
        var instance = host.Attach("vm1", $"qga://{Socket}", new InstanceOptions { Alarm = alarm ?? (static text => throw new InvalidOperationException(text)) });
        await instance.WaitReadyAsync(SavedGuest.Soon);
        return (host, instance);
    }

    /// <summary>A client as any script is.</summary>
    public async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), SavedGuest.Soon);
        return socket;
    }

    public async ValueTask DisposeAsync()
    {
        await Console.DisposeAsync();
        await Guest.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
