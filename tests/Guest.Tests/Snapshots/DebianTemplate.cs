using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Google.Protobuf;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>
/// A Debian with systemd, an SSH server and a lease of a LAN, booted once and saved while it was prepared. Each copy has an overlay of the
/// disk of its own.
/// </summary>
public sealed class DebianTemplate : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-clones-").FullName;
    private Lan _lan = null!;
    private int _copies;

    internal Lan Lan => _lan;

    /// <summary>Who the guest was when it was saved.</summary>
    internal GuestIdentity Identity { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        await new DebianGuest().InitializeAsync();
        _lan = await Lan.SetUpAsync(_folder);
        var overlay = Path.Combine(_folder, "template.qcow2");
        await DiskGuest.RunAsync("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", Path.Combine(SavedGuest.FindRoot(), ".cache/debian/root.img"), overlay);
        await using var copy = await BootAsync(overlay, "", 1);
        await copy.ShAsync("printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=ipv4\\nLinkLocalAddressing=no\\n' > /etc/systemd/network/20-lan.network; networkctl reload; ip link set eth0 up");
        Identity = await copy.IdentityAsync(_lan);
        var program = Convert.ToBase64String(await File.ReadAllBytesAsync(Path.Combine(SavedGuest.FindRoot(), "tests/Guest.Tests/Snapshots/draws.py")));
        await copy.ShAsync($"echo {program} | base64 -d > /run/draws.py; systemd-run -q --unit=draws -p StandardOutput=file:/run/drawn python3 /run/draws.py; until [ -s /run/drawn ]; do sleep 0.1; done");
        var instance = await copy.AttachAsync();
        await instance.Channel.CallAsync(SnapshotMethods.Prepare, new PrepareRequest { Kind = SnapshotKind.Memory, Gate = true, LeaseMs = 600_000 }, new CallOptions(TimeSpan.FromSeconds(30)), DebianGuest.Soon);
        await copy.Guest.SaveAsync(Path.Combine(_folder, "memory"), cancellationToken: DebianGuest.Soon);
    }

    /// <summary>Boots a guest until all its services have started.</summary>
    /// <param name="disk">Its disk, a qcow2 image.</param>
    /// <param name="append">For the kernel's command line.</param>
    /// <param name="address">The last byte of its hardware address.</param>
    internal async Task<DebianCopy> BootAsync(string disk, string append, byte address)
    {
        var copy = await StartAsync(disk, append, address, restoreFrom: null);
        await copy.Console.WaitForAsync("login: root", DebianPatience);
        await copy.ShAsync("stty -echo; PS1=; systemctl is-system-running --wait >/dev/null");
        return copy;
    }

    /// <summary>Starts a copy. It stands still behind the gate until its host says what it is.</summary>
    internal async Task<DebianCopy> CopyAsync()
    {
        var overlay = Path.Combine(_folder, $"copy{_copies + 1}.qcow2");
        File.Copy(Path.Combine(_folder, "template.qcow2"), overlay);
        return await StartAsync(overlay, "", 1, Path.Combine(_folder, "memory"));
    }

    /// <summary>A place for files of a test.</summary>
    internal string At(string name) => Path.Combine(_folder, name);

    public async Task DisposeAsync()
    {
        await _lan.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static TimeSpan DebianPatience => TimeSpan.FromMinutes(4);

    private async Task<DebianCopy> StartAsync(string disk, string append, byte address, string? restoreFrom)
    {
        var (debian, number) = (Path.Combine(SavedGuest.FindRoot(), ".cache/debian"), Interlocked.Increment(ref _copies));
        var port = Path.Combine(_folder, $"port{number}");
        var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Program = _lan.Qemu,
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(debian, "vmlinuz"),
            Initrd = Path.Combine(debian, "initrd"),
            Append = $"root=/dev/vda ro net.ifnames=0 cloud-init=disabled {append}",
            MemoryMiB = 384,
            RestoreFrom = restoreFrom,
            Arguments = ["-drive", $"file={disk},if=virtio,format=qcow2", .. await _lan.NicAsync(number, address), .. KillLine.Arguments(port)],
        }, DebianGuest.Soon);
        return new DebianCopy(guest, await GuestConsole.ConnectAsync(guest.ConsoleSocket), disk, port);
    }
}

[CollectionDefinition("debian template")]
public class DebianTemplateCollection : ICollectionFixture<DebianTemplate>;

/// <summary>Who a guest is, as itself and its network see it.</summary>
internal sealed record GuestIdentity(string MachineId, string HostName, string HostKey, string HardwareAddress, string Address);

/// <summary>A running copy, or the template itself.</summary>
internal sealed class DebianCopy(QemuGuest guest, GuestConsole console, string disk, string killPort) : IAsyncDisposable
{
    private readonly ChannelHost _host = new();
    private Instance? _instance;

    public QemuGuest Guest => guest;

    public GuestConsole Console => console;

    public string Disk => disk;

    /// <summary>Path of the port of a <see cref="KillLine"/>.</summary>
    public string KillPort => killPort;

    public Task<string> ShAsync(string command) => console.ShAsync(command);

    public async Task<Instance> AttachAsync()
    {
        _instance ??= _host.Attach("vm1", guest.ChannelUri);
        await _instance.WaitReadyAsync(SavedGuest.Soon);
        return _instance;
    }

    /// <summary>Tells the guest what it is, and waits until it is ready.</summary>
    public async Task<SnapshotReport> CompleteAsync(SnapshotOrigin origin, SnapshotIdentity? identity = null)
    {
        var instance = await AttachAsync();
        var request = new CompleteRequest
        {
            Origin = origin,
            Generation = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)),
            Entropy = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(64)),
            Identity = identity,
            UnixNs = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100,
        };
        return await instance.Channel.CallAsync(SnapshotMethods.Complete, request, new CallOptions(TimeSpan.FromMinutes(2)), DebianGuest.Soon);
    }

    /// <summary>Who the guest is, once its SSH server answers.</summary>
    /// <param name="lan">Its network.</param>
    /// <param name="former">An address that it is to give up.</param>
    public async Task<GuestIdentity> IdentityAsync(Lan lan, string former = "")
    {
        for (var end = DebianGuest.Soon; ; await Task.Delay(200, end))
        {
            var address = await ShAsync("ip -4 -o addr show dev eth0 scope global | sed 's/.*inet \\([0-9.]*\\).*/\\1/' | tail -n 1");
            if (address.Length > 0 && address != former && await lan.HostKeyAsync(address) is { } key)
            {
                return new GuestIdentity(await ShAsync("cat /etc/machine-id"), await ShAsync("hostname"), key, await ShAsync("cat /sys/class/net/eth0/address"), address);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await console.DisposeAsync();
        await guest.DisposeAsync();
    }
}
