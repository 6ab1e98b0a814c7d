using System.Diagnostics;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Transports.LinkLocal;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// Debian's own cloud-init in a real guest finds its data at our server: each data source, and each way; with
/// <c>./test --long</c> all pairs of them, as a guest takes two minutes. The guest reports its steps to the host, which is how a test knows
/// what has happened.
/// </summary>
[Collection("debian guest")]
public class CloudInitTests
{
    private const string Document = """
        instance_id: i-0123456789abcdef0
        uuid: 7a1c3f0e-1111-4222-8333-444455556666
        hostname: vm1.example.org
        public_keys:
          lab: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIpLZ0vGsYd0mZsY6tFkZ9c1g7p0vZ4b6h0y5nQv2T1a lab@example.org
        placement: {availability_zone: eu-west-1a, region: eu-west-1, instance_type: t3.micro, image_id: ami-12345678, project_id: "123456789012"}
        ec2: {tokens: optional}
        user_data: |
          Content-Type: multipart/mixed; boundary="MARK"
          MIME-Version: 1.0

          --MARK
          Content-Type: text/cloud-config

          reporting:
            host: {type: webhook, endpoint: "http://169.254.169.254/ganeti/latest/progress"}
          phone_home: {url: "http://169.254.169.254/ganeti/latest/phone_home", post: all}
          disable_root: false
          ssh_genkeytypes: [ed25519]
          --MARK
          Content-Type: text/x-shellscript

          #!/bin/sh
          echo "the user data script ran" > /root/ran
          --MARK--
        """;

    /// <summary>A client of the guest's own, by the IPv6 address; its zone is in the Host header, as urllib sends it.</summary>
    private const string AskByV6 =
        "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://[fe80::a9fe:a9fe%25eth0]/latest/meta-data/local-hostname\", timeout=10).read())'";

    [Theory]
    [InlineData("Ec2", "tap")]
    [InlineData("OpenStack", "usernet")]
    [InlineData("NoCloud", "relay")]
    [InlineData("NoCloud", "relay over vsock")]
    public Task The_data_source_is_found_and_used_and_no_request_is_repeated(string source, string way) => FindAsync(source, way);

    [Theory]
    [Trait(Lane.Name, Lane.Lengthy)]
    [InlineData("OpenStack", "tap")]
    [InlineData("NoCloud", "tap")]
    [InlineData("Ec2", "usernet")]
    [InlineData("NoCloud", "usernet")]
    [InlineData("Ec2", "relay")]
    [InlineData("OpenStack", "relay")]
    public Task Each_data_source_is_found_over_each_other_way(string source, string way) => FindAsync(source, way);

    private static async Task FindAsync(string source, string way)
    {
        await using var host = await MetadataHost.StartAsync(Document);
        var folder = Directory.CreateTempSubdirectory("channelsdk-cloud-").FullName;
        var network = LinkLocalNetwork.Of($"cloud-{Environment.ProcessId}");
        try
        {
            QemuNetwork? nic = null;
            if (way == "tap")
            {
                network.SetUp();
                host.Listeners.ServeTap(network);
                nic = new QemuNetwork.Tap(network);
            }
            else if (way == "usernet")
            {
                host.Listeners.ServeForward(Path.Combine(folder, "http"));
                nic = new QemuNetwork.User(Path.Combine(SavedGuest.FindRoot(), "artifacts/host/channel-forward"), Path.Combine(folder, "channel"), Path.Combine(folder, "http"));
            }

            await using var device = SavedVsockGuest.NewDevice("cloud");
            var isVsock = way == "relay over vsock";
            await using var guest = await DebianGuest.BootAsync(source, nic, isVsock ? device.SocketPath : null, folder);
            if (way == "relay")
            {
                host.ServeRelay(TransportEndpoints.Create(guest.ChannelUri));
            }
            else if (isVsock)
            {
                host.ServeRelay(device.Listen(SavedVsockGuest.Port));
            }

            var steps = new List<ProgressEvent>();
            await foreach (var step in host.Instance.Progress.ReadAsync(0, DebianGuest.Soon))
            {
                steps.Add(step);
                if (step.Origin == "phone_home")
                {
                    break;
                }
            }

            Assert.Contains(steps, step => step is { Phase: ProgressPhase.Finish, Result: ProgressResult.Success } && step.Name.Contains("config-scripts-user", StringComparison.Ordinal)
                || step.Origin == "phone_home");
            Assert.Contains("vm1", steps[^1].Details["hostname"], StringComparison.Ordinal);
            await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
            await console.ShAsync("stty -echo; PS1=; cloud-init status --wait >/dev/null 2>&1");
            Assert.Contains("vm1", await console.ShAsync("hostname"), StringComparison.Ordinal);
            Assert.Contains("the user data script ran", await console.ShAsync("cat /root/ran"), StringComparison.Ordinal);
            Assert.Contains("lab@example.org", await console.ShAsync("cat /root/.ssh/authorized_keys"), StringComparison.Ordinal);
            Assert.Contains(source, await console.ShAsync("cat /run/cloud-init/result.json"), StringComparison.Ordinal);
            // What cloud-init has to ask again it logs so.
            Assert.Equal("0", await console.ShAsync("grep -c 'Please wait\\|bad status code\\|Giving up on' /var/log/cloud-init.log"));
            if (way == "tap")
            {
                Assert.Contains("vm1", await console.ShAsync("ip -6 addr add fe80::1/64 dev eth0 nodad; " + AskByV6), StringComparison.Ordinal);
            }

            Assert.Equal(0, host.Instance.Counters.Failures);
        }
        finally
        {
            network.Remove();
            Directory.Delete(folder, recursive: true);
        }
    }
}

/// <summary>A Debian system with cloud-init and our agent; each boot begins with the pristine disk.</summary>
public sealed class DebianGuest : IAsyncLifetime
{
    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(300)).Token;

    /// <summary>Its disk, an ext4 file system.</summary>
    internal static string Disk => Path.Combine(Folder, "root.img");

    private static string Folder => Path.Combine(SavedGuest.FindRoot(), ".cache/debian");

    public async Task InitializeAsync()
    {
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(SavedGuest.FindRoot(), "scripts/build-debian-guest.sh")) { WorkingDirectory = SavedGuest.FindRoot() })!;
        await build.WaitForExitAsync();
        Assert.Equal(0, build.ExitCode);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>Boots on a machine that looks like the cloud of a data source.</summary>
    /// <param name="source">The data source.</param>
    /// <param name="network">The NIC, or null.</param>
    /// <param name="vsockSocket">Socket of a vsock device that the agent dials the host by; null: a virtio-serial port.</param>
    /// <param name="scratch">A folder of the test.</param>
    internal static async Task<QemuGuest> BootAsync(string source, QemuNetwork? network, string? vsockSocket, string scratch)
    {
        var disk = vsockSocket is null ? Disk : await WithEndpointAsync(Disk, $"vsock://2:{SavedVsockGuest.Port}", scratch);
        string[] looks = source switch
        {
            "Ec2" => ["-smbios", "type=1,serial=ec2e1916-9099-7caf-fd21-012345abcdef,uuid=ec2e1916-9099-7caf-fd21-012345abcdef"],
            "OpenStack" => ["-smbios", "type=1,product=OpenStack Nova"],
            _ => [],
        };
        var seed = source == "NoCloud" ? "ds=nocloud-net;s=http://169.254.169.254/nocloud/" : "";
        return await QemuGuest.StartAsync(Options(disk, network, seed, keepsWrites: false, looks) with { VsockSocket = vsockSocket }, Soon);
    }

    /// <summary>Boots from another disk, without a network.</summary>
    internal static Task<QemuGuest> BootDiskAsync(string disk, bool keepsWrites) => QemuGuest.StartAsync(Options(disk, null, "", keepsWrites), Soon);

    private static QemuOptions Options(string disk, QemuNetwork? network, string append, bool keepsWrites, params string[] more)
    {
        // Without a NIC the guest would never be online.
        var waits = network is null ? "systemd.mask=systemd-networkd-wait-online.service" : "";
        return new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(Folder, "vmlinuz"),
            Initrd = Path.Combine(Folder, "initrd"),
            Append = $"root=/dev/vda ro net.ifnames=0 {waits} {append}",
            MemoryMiB = 768,
            Network = network,
            Arguments = ["-smp", "2", "-drive", $"file={disk},if=virtio,format=raw,snapshot={(keepsWrites ? "off" : "on")}", .. more],
        };
    }

    /// <summary>A copy of the disk whose agent is configured for another way to its host.</summary>
    private static async Task<string> WithEndpointAsync(string disk, string endpoint, string scratch)
    {
        var (copy, configuration) = (Path.Combine(scratch, "root.img"), Path.Combine(scratch, "agent.toml"));
        await File.WriteAllTextAsync(configuration, $"endpoint = \"{endpoint}\"\n");
        await DiskGuest.RunAsync("cp", "--sparse=always", disk, copy);
        await DiskGuest.RunAsync("debugfs", "-w", "-R", "rm /etc/channel-agent/agent.toml", copy);
        await DiskGuest.RunAsync("debugfs", "-w", "-R", $"write {configuration} /etc/channel-agent/agent.toml", copy);
        return copy;
    }
}

[CollectionDefinition("debian guest")]
public class DebianGuestCollection : ICollectionFixture<DebianGuest>;
