using System.Diagnostics;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;

namespace ChannelSdk.Guest.Tests;

/// <summary>Builds the test guest, which is an appliance when its command line says so.</summary>
public sealed class Appliance : IAsyncLifetime
{
    /// <summary>What makes the test guest an appliance.</summary>
    public const string Append = "channel.install=allow";

    public string Root { get; } = SavedGuest.FindRoot();

    public async Task InitializeAsync()
    {
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(Root, "scripts/build-guest.sh")) { WorkingDirectory = Root })!;
        await build.WaitForExitAsync();
        Assert.Equal(0, build.ExitCode);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>A launcher of it.</summary>
    public QemuLauncher Launcher(ApplianceTransport transport) => new(new QemuLauncherOptions
    {
        Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
        Kernel = Path.Combine(Root, ".cache/guest/vmlinuz"),
        Initrd = Path.Combine(Root, ".cache/guest/initrd"),
        Append = Append,
        MemoryMiB = 192,
        Transport = transport,
        ForwardProgram = Path.Combine(Root, "artifacts/host/channel-forward"),
    });
}

[CollectionDefinition("appliance")]
public class ApplianceCollection : ICollectionFixture<Appliance>;

/// <summary>An installer with a real appliance, one instance, one definition and blank disks, in a folder that goes with it.</summary>
internal sealed class InstallRig : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("channelsdk-install-").FullName;

    public InstallRig(Appliance appliance, ApplianceTransport transport = ApplianceTransport.VirtioSerial, TimeSpan? deadline = null)
    {
        Records = new InstanceRecordStore(At("records"));
        Records.Put(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsDefinition = "os" });
        Options = new InstallerOptions
        {
            Folder = At("state"),
            Records = Records,
            Definitions = new DefinitionCatalog(At("definitions")),
            Launcher = appliance.Launcher(transport),
            Deadline = deadline ?? TimeSpan.FromSeconds(150),
            // channelctl is built beside these tests.
            TrustedPath = $"{AppContext.BaseDirectory}:{InstallerOptions.DefaultPath}",
        };
    }

    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(200)).Token;
    public InstanceRecordStore Records { get; }
    public InstallerOptions Options { get; set; }

    public string At(string name) => Path.Combine(_folder, name);

    /// <summary>A file of the definition.</summary>
    public void Write(string name, string content)
    {
        var path = Path.Combine(_folder, "definitions/os", name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
    }

    /// <summary>A blank disk.</summary>
    public TargetDisk NewDisk(string name, long bytes = 32 << 20)
    {
        using var file = File.Create(At(name));
        file.SetLength(bytes);
        return new TargetDisk(At(name));
    }

    public InstallOperation Start(InstallRequest request) => new Installer(Options).Start(request);

    public Task<(InstallResult Result, List<InstallEvent> Events)> RunAsync(InstallRequest request) => RunAsync(request, Soon);

    /// <summary>As the other, with an end of its own.</summary>
    public async Task<(InstallResult Result, List<InstallEvent> Events)> RunAsync(InstallRequest request, CancellationToken end)
    {
        var operation = Start(request);
        var events = await operation.Events.ReadAsync(0, end).ToListAsync(end);
        return (await operation.Completion.WaitAsync(end), events);
    }

    /// <summary>Contents of all files below it but the disks and the definitions.</summary>
    public IEnumerable<(string Path, byte[] Content)> Files() => Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories)
        .Where(f => !f.EndsWith(".img", StringComparison.Ordinal) && !f.Contains("/definitions/", StringComparison.Ordinal)).Select(f => (f, File.ReadAllBytes(f)));

    /// <summary>A file of an ext4 file system without a partition table, by debugfs(8): nothing is mounted on this host.</summary>
    public static async Task<string> ReadAsync(TargetDisk disk, string file)
    {
        var start = new ProcessStartInfo("debugfs") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["-R", $"cat {file}", disk.Path])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(Soon);
        var output = await process.StandardOutput.ReadToEndAsync(Soon);
        await process.WaitForExitAsync(Soon);
        Assert.DoesNotContain("not found", await errors);
        return output;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
