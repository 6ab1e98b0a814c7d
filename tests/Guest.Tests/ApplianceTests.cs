using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Guest.Tests;

/// <summary>The appliance that this project builds: its bytes, and a system that its scripts install.</summary>
[Collection("guest")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class ApplianceTests(SavedGuest saved) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("channelsdk-appliance-");
    private readonly string _root = SavedGuest.FindRoot();

    private static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromMinutes(4)).Token;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task The_same_inputs_give_the_same_bytes_and_a_hook_changes_them()
    {
        var hooks = _folder.CreateSubdirectory("hooks").FullName;
        await File.WriteAllTextAsync($"{hooks}/20-second", "#!/bin/sh\ncat \"$1/srv/first\" - > \"$1/srv/second\" </dev/null\n");
        await File.WriteAllTextAsync($"{hooks}/10-first", "#!/bin/sh\necho hooked > \"$1/srv/first\"\n");
        await File.WriteAllTextAsync($"{hooks}/readme", "no hook: it cannot be executed\n");
        File.SetUnixFileMode($"{hooks}/20-second", (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode($"{hooks}/10-first", (UnixFileMode)0b111_101_101);
        var one = await BuildAsync("one", "--hooks", hooks);
        var two = await BuildAsync("two", "--hooks", hooks);
        var plain = await BuildAsync("plain");
        Assert.Equal(await Sha256Async(one), await Sha256Async(two));
        Assert.NotEqual(await Sha256Async(one), await Sha256Async(plain));
        Assert.Contains("srv/second", await DiskGuest.RunAsync("sh", "-c", $"cpio -t --quiet < {one}"), StringComparison.Ordinal);

        var before = File.GetLastWriteTimeUtc(one);
        Assert.Equal("", await BuildOutputAsync("one", "--hooks", hooks));
        Assert.Equal(before, File.GetLastWriteTimeUtc(one));

        await File.WriteAllTextAsync($"{hooks}/10-first", "#!/bin/sh\nexit 7\n");
        var e = await Assert.ThrowsAnyAsync<Exception>(() => BuildAsync("one", "--hooks", hooks));
        Assert.Contains("10-first failed with code 7", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_installed_tool_builds_the_same_without_a_source_tree_and_from_a_lock()
    {
        var usual = await BuildAsync("usual");
        var tool = _folder.CreateSubdirectory("tool").FullName;
        await DiskGuest.RunAsync("cp", "-r", $"{AppContext.BaseDirectory}/.", tool);
        string[] common = ["appliance", "build", "--output", $"{_folder.FullName}/made", "--cache", Path.Combine(_root, ".cache")];
        Task<string> MakeAsync(params string[] more) => DiskGuest.RunAsync($"{tool}/channelctl", [.. common, .. more]);
        Assert.Contains("give --agent FILE", (await Assert.ThrowsAnyAsync<Exception>(() => MakeAsync())).Message, StringComparison.Ordinal);
        File.Copy(Path.Combine(_root, "artifacts/agent/channel-agent"), $"{tool}/channel-agent");
        var packages = $"{_folder.FullName}/usual/packages.lock";
        await MakeAsync("--lock", packages);
        Assert.Equal(await Sha256Async(usual), await Sha256Async($"{_folder.FullName}/made/initrd"));
        Assert.Equal(await File.ReadAllTextAsync(packages), await File.ReadAllTextAsync($"{_folder.FullName}/made/packages.lock"));

        // What the lock says of a package holds, not what the cache or a mirror has.
        var other = $"{_folder.FullName}/other.lock";
        await File.WriteAllTextAsync(other, (await File.ReadAllTextAsync(packages)).Replace("busybox-static_", "nothing_", StringComparison.Ordinal));
        var missing = await Assert.ThrowsAnyAsync<Exception>(() => MakeAsync("--lock", other, "--mirror", "http://127.0.0.1:9/debian"));
        Assert.Contains("1 packages cannot be had from http://127.0.0.1:9/debian", missing.Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(other, (await File.ReadAllTextAsync(packages)).Replace("kind small", "kind debian", StringComparison.Ordinal));
        Assert.Contains("is not of an appliance of the kind small", (await Assert.ThrowsAnyAsync<Exception>(() => MakeAsync("--lock", other))).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(other, "../../etc/passwd 1 0 x\n");
        Assert.Contains("is no list of packages: '../../etc/passwd 1 0 x'", (await Assert.ThrowsAnyAsync<Exception>(() => MakeAsync("--lock", other))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_host_lacks_is_named_with_the_command_that_installs_it()
    {
        var programs = _folder.CreateSubdirectory("programs").FullName;
        await DiskGuest.RunAsync("sh", "-c", $"ln -s -f -t {programs} /usr/bin/* /usr/sbin/* && rm -f {programs}/mmdebstrap {programs}/mksquashfs");
        var e = await Assert.ThrowsAnyAsync<Exception>(() => DiskGuest.RunAsync("env", $"PATH={programs}", "bash",
            Path.Combine(_root, "src/Tools/channelctl/appliance/build.sh"), "--kind", "debian", "--output", $"{_folder.FullName}/none", "--agent", "/bin/true"));
        Assert.Contains("apt-get install --no-install-recommends mmdebstrap squashfs-tools", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists($"{_folder.FullName}/none"));
    }

    // The test guest begins with the same /etc/rc.
    [Fact]
    public async Task No_file_of_busybox_passes_for_a_program_of_packages()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        Assert.Equal("/bin/wget", await console.ShAsync("which dpkg dpkg-deb rpm rpm2cpio wget"));
    }

    [Fact]
    public async Task A_script_installs_a_system_with_a_package_and_its_disk_boots_by_itself()
    {
        var initrd = await BuildAsync("appliance", "--hooks", Path.Combine(_root, "examples/busybox-os/appliance"));
        var disk = Path.Combine(_folder.FullName, "disk.img");
        await DiskGuest.RunAsync("truncate", "-s", "128M", disk);
        await using (var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Kernel = Path.Combine(Path.GetDirectoryName(initrd)!, "vmlinuz"),
            Initrd = initrd,
            Arguments = ["-drive", $"file={disk},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,addr=06"],
        }, Soon))
        {
            await using var host = new ChannelHost();
            var instance = host.Attach("vm1", guest.ChannelUri);
            await instance.WaitReadyAsync(Soon);
            await InstallAsync(instance);
        }

        await using var installed = await QemuGuest.StartAsync(new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            Arguments = ["-drive", $"file={disk},if=none,id=d0,format=raw", "-device", "virtio-blk-pci,drive=d0,bootindex=1"],
        }, Soon);
        await using var second = new ChannelHost();
        var system = second.Attach("vm1", installed.ChannelUri);
        await system.WaitReadyAsync(Soon);
        var info = await system.Info.GetAsync(Soon);
        Assert.DoesNotContain("install.Run", info.Methods);
        Assert.Contains("Busybox OS", info.ToString(), StringComparison.Ordinal);
        var motd = Path.Combine(_folder.FullName, "motd");
        await system.Files.CopyOutAsync("/etc/motd", motd, cancellationToken: Soon);
        Assert.Equal("welcome\n", await File.ReadAllTextAsync(motd));
        var facts = await system.Files.StatAsync("/etc/motd", Soon);
        Assert.Equal((UnixFileMode.UserRead | UnixFileMode.UserWrite, 7L), (facts.Mode, facts.Uid));
    }

    private async Task InstallAsync(Instance instance)
    {
        Assert.Contains("install.Run", (await instance.Info.GetAsync(Soon)).Methods);
        await using var driver = await InstallDriver.OpenAsync(instance.Channel);
        await driver.AddAsync("create", await File.ReadAllTextAsync(Path.Combine(_root, "examples/busybox-os/untrusted/create"), Soon));
        await driver.Out.WriteAsync(InstallMessage.Start, ReadOnlyMemory<byte>.Empty);
        // There is no half on the host.
        await driver.Out.WriteAsync(InstallMessage.Ended, new ScriptEnded());
        await driver.UntilAsync(InstallMessage.Progress);
        Assert.Equal(StateWord.Installing, instance.Channel.Status.PeerHeartbeat!.Value.State);
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.True(driver.Ended is { Code: 0, Signal: 0 }, $"code {driver.Ended!.Code}, signal {driver.Ended.Signal}: {driver.Output}{driver.Error}");
        Assert.Equal("installed on /dev/vda"u8.ToArray(), driver.Result);
        Assert.Equal(driver.Progress.Select(p => p.MilliPercent).Order(), driver.Progress.Select(p => p.MilliPercent));
        Assert.Equal(100_000u, driver.Progress[^1].MilliPercent);

        Assert.Contains("'../evil'", (await Assert.ThrowsAsync<ChannelException>(() =>
            OverlayAsync(instance, driver, new RawTar().Add("etc/evil").Add("../evil").Gzip()))).Message, StringComparison.Ordinal);
        // The agent has little memory, and stays within it; the small disk has room for fewer files.
        var many = new RawTar();
        for (var i = 0; i < 60_000; i++)
        {
            many.Add($"{i:d6}-{new string('n', 60)}", '5');
        }

        var refused = await Assert.ThrowsAsync<ChannelException>(() => OverlayAsync(instance, driver, many.Gzip()));
        Assert.Equal((ChannelError.ResourceExhausted, ErrorClass.Refused), (refused.Code, refused.Class));
        Assert.Contains("60000 files and folders", refused.Message, StringComparison.Ordinal);
        var reply = OverlayReply.Parser.ParseFrom(await OverlayAsync(instance, driver, new RawTar()
            .Add("etc", '5', mode: "0000755").Add("etc/motd", content: "welcome\n", mode: "0000600", owner: "0000007").Gzip()));
        Assert.Equal((2ul, 8ul), (reply.Entries, reply.Bytes));
        await driver.Out.CompleteAsync();
        Assert.Null(await driver.NextAsync());
    }

    private static async Task<byte[]> OverlayAsync(Instance instance, InstallDriver driver, byte[] archive)
    {
        await using var stream = await instance.Channel.OpenStreamAsync(
            InstallMethods.Overlay, new OverlayRequest { Operation = driver.Operation }, cancellationToken: Soon);
        const int part = 64 << 10;
        for (var at = 0; at < archive.Length; at += part)
        {
            await stream.WriteAsync(archive.AsMemory(at, Math.Min(part, archive.Length - at)), Soon);
        }

        await stream.CompleteAsync(Soon);
        using var reply = await stream.ReadAsync(Soon);
        return reply.Span.ToArray();
    }

    private async Task<string> BuildAsync(string name, params string[] arguments)
    {
        await BuildOutputAsync(name, arguments);
        return Path.Combine(_folder.FullName, name, "initrd");
    }

    private Task<string> BuildOutputAsync(string name, params string[] arguments) => DiskGuest.RunAsync(
        Path.Combine(_root, "scripts/build-appliance.sh"), ["--output", Path.Combine(_folder.FullName, name), .. arguments]);

    private static async Task<string> Sha256Async(string file) => (await DiskGuest.RunAsync("sha256sum", file))[..64];
}
