using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Text;
using ChannelSdk.Cli.Commands;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Records;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>A Debian that debootstrap installs in an appliance without a network, by examples/debian-os.</summary>
[Collection("appliance")]
[Trait(Lane.Name, Lane.Lengthy)]
public class DebootstrapTests(Appliance appliance, ITestOutputHelper output)
{
    private const string Mirror = "http://deb.debian.org/debian/";
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(40);

    [Fact]
    public async Task A_Debian_from_a_mirror_that_only_the_proxy_reaches_boots_and_runs_and_no_file_of_the_host_has_its_secrets()
    {
        var (hash, password) = (new MarkedSecret(), new MarkedSecret());
        using var shop = new PackageShop(await PackageAsync(), "anna", typed => password.IsIn(Encoding.UTF8.GetBytes(typed)));
        using var rig = new InstallRig(appliance, deadline: s_deadline);
        rig.Records.Change("vm1", r => r with
        {
            OsDefinition = "debian-os",
            Nics = [new InstanceNic("52:54:00:12:34:56") { Ip = "10.77.0.2" }, new InstanceNic("52:54:00:12:34:57")],
            PersonalizationUrl = $"{shop.Url}personal.tar.gz",
        });
        rig.Options = rig.Options with
        {
            Definitions = new DefinitionCatalog(Path.Combine(appliance.Root, "examples")),
            Launcher = new QemuLauncher(ApplianceFolder.Options(await DebianAppliance.WithAsync("debian-os-appliance", "examples/debian-os/appliance"))),
            Mirrors = [new Uri(Mirror)],
            // Where a machine's way to the mirror is an inner one.
            MirrorNetworks = [.. (await Dns.GetHostAddressesAsync(new Uri(Mirror).Host)).Select(a => new System.Net.IPNetwork(a, a.GetAddressBytes().Length * 8))],
            PackageNetworks = [System.Net.IPNetwork.Parse("127.0.0.1/32")],
        };
        var disk = rig.NewDisk("disk.img", 2L << 30);
        using var installed = new CancellationTokenSource(s_deadline + TimeSpan.FromMinutes(1));
        var begin = Stopwatch.GetTimestamp();
        var (result, events) = await rig.RunAsync(new InstallRequest
        {
            Instance = "vm1",
            Disks = [disk],
            Secrets = hash.As("root_hash"),
            PackageCredentials = new PackageCredentials("anna", password.Value()),
        }, installed.Token);
        var took = Stopwatch.GetElapsedTime(begin);
        Assert.True(result.Outcome == InstallOutcome.Succeeded, $"{result.Reason}\n{string.Join("\n", events.TakeLast(40).Select(InstallEventText.Line))}");
        Assert.Equal(1, shop.Given);
        output.WriteLine($"installed in {took.TotalSeconds:F0} s; on this host the same debootstrap takes {(await OnHostAsync()).TotalSeconds:F0} s");
        foreach (var (path, content) in rig.Files())
        {
            Assert.False(hash.IsIn(content.ToArray()), $"{path} has the secret");
            Assert.False(password.IsIn(content.ToArray()), $"{path} has the password");
        }

        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            MemoryMiB = 512,
            Arguments =
            [
                "-drive", $"file={disk.Path},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,bootindex=1",
                // An address is set where there is a carrier.
                "-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,mac=52:54:00:12:34:56,netdev=n0", "-device", "virtio-net-pci,mac=52:54:00:12:34:57",
            ],
        });
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", guest.ChannelUri);
        using var end = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        await instance.WaitReadyAsync(end.Token);
        Assert.Equal("running", (await RunAsync(instance, end.Token, "/usr/bin/systemctl", "is-system-running", "--wait")).Trim());
        Assert.Equal("from the package", await RunAsync(instance, end.Token, "/usr/bin/cat", "/etc/motd"));
        Assert.Contains("10.77.0.2/32", await RunAsync(instance, end.Token, "/usr/bin/ip", "-o", "addr"));
        Assert.Contains("52:54:00:12:34:57", await RunAsync(instance, end.Token, "/usr/bin/cat", "/etc/systemd/network/10-nic1.network"));
        var shadow = Encoding.UTF8.GetBytes(await RunAsync(instance, end.Token, "/usr/bin/cat", "/etc/shadow"));
        Assert.True(hash.IsIn(shadow), "root has not the password that was given");
    }

    private static async Task<string> RunAsync(Instance instance, CancellationToken end, params string[] command)
    {
        var result = await instance.Exec.RunAsync(new ExecOptions { Command = command }, cancellationToken: end);
        Assert.True(result.Exit.ShellCode == 0, $"{string.Join(' ', command)}: {result.Exit}: {Encoding.UTF8.GetString(result.Output.Span)}{Encoding.UTF8.GetString(result.Error.Span)}");
        return Encoding.UTF8.GetString(result.Output.Span);
    }

    /// <summary>The same work without an appliance.</summary>
    private static async Task<TimeSpan> OnHostAsync()
    {
        var folder = Directory.CreateTempSubdirectory("channelsdk-debootstrap-").FullName;
        var begin = Stopwatch.GetTimestamp();
        try
        {
            await DiskGuest.RunAsync(s_deadline, "debootstrap", "--variant=minbase", "--include=systemd-sysv,udev,dbus,iproute2,kmod,linux-image-cloud-amd64,initramfs-tools", "bookworm", $"{folder}/root", Mirror);
            return Stopwatch.GetElapsedTime(begin);
        }
        finally
        {
            await DiskGuest.RunAsync("rm", "-rf", "--one-file-system", folder);
        }
    }

    /// <summary>A package that says what the host may run, and that it is there.</summary>
    private static async Task<byte[]> PackageAsync()
    {
        var bytes = new MemoryStream();
        await using (var gzip = new GZipStream(bytes, CompressionLevel.Fastest))
        await using (var tar = new TarWriter(gzip))
        {
            foreach (var (name, content) in (ReadOnlySpan<(string, string)>)
            [
                ("etc/motd", "from the package"),
                ("etc/channel-agent/agent.toml", "[[exec]]\nprogram = \"*\"\narguments = [\"...\"]\n"),
                ("etc/systemd/system/channel-agent.service.d/access.conf", File.ReadAllText(Path.Combine(SavedGuest.FindRoot(), "src/GuestAgent/packaging/channel-agent-access.conf"))),
            ])
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
            }
        }

        return bytes.ToArray();
    }
}
