using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>An installer in its own folder, with one instance, one definition and one disk.</summary>
internal sealed class InstallRig : IDisposable
{
    private readonly TestFolder _folder = new();

    public InstallRig(Func<FakeScript, Task<ScriptEnded>>? untrusted = null)
    {
        Records = new InstanceRecordStore(_folder.At("state", "records"));
        Records.Put(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsDefinition = "os" });
        if (untrusted is not null)
        {
            Appliance = new FakeAppliance(untrusted);
            Write("os/untrusted/create", "#!/bin/sh\n");
        }

        Disk = _folder.Write("disk.img", "");
    }

    public static ScriptEnded Well => InstallWire.Ended(0, 0, "");
    public static CancellationToken Soon => new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token;
    public InstanceRecordStore Records { get; }
    public FakeAppliance? Appliance { get; set; }
    public string Disk { get; }
    public string State => _folder.At("state");
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(60);
    public TimeSpan Grace { get; set; } = TimeSpan.FromSeconds(10);
    public DefinitionPolicy? Policy { get; set; }
    public IInstanceLauncher? Launcher { get; set; }

    /// <summary>The test's servers are on this host.</summary>
    public IReadOnlyList<System.Net.IPNetwork> Networks { get; set; } = [System.Net.IPNetwork.Parse("127.0.0.1/32")];

    /// <summary>Sets what few tests set.</summary>
    public Func<InstallerOptions, InstallerOptions> Change { get; set; } = static options => options;

    public string At(params string[] names) => _folder.At(names);

    /// <summary>A script of the definition, below its folder's parent.</summary>
    public string Write(string name, string content) => _folder.Write("definitions/" + name, content, isScript: true);

    public Installer Open() => new(Options);

    public InstallerOptions Options => Change(new InstallerOptions
    {
        Folder = State,
        Records = Records,
        Definitions = new DefinitionCatalog(_folder.At("definitions"), Policy),
        Launcher = Launcher ?? Appliance,
        Deadline = Deadline,
        ScriptGrace = Grace,
        OutputBytes = 64 << 10,
        PackageNetworks = Networks,
        TrustedPath = $"{AppContext.BaseDirectory}:{InstallerOptions.DefaultPath}",
    });

    public InstallOperation Start(Func<InstallRequest, InstallRequest>? change = null)
    {
        var request = new InstallRequest { Instance = "vm1", Disks = [new TargetDisk(Disk)] };
        return Open().Start(change?.Invoke(request) ?? request);
    }

    public async Task<(InstallResult Result, List<InstallEvent> Events)> RunAsync(Func<InstallRequest, InstallRequest>? change = null)
    {
        var operation = Start(change);
        var events = await operation.Events.ReadAsync(0, Soon).ToListAsync(Soon);
        return (await operation.Completion.WaitAsync(Soon), events);
    }

    /// <summary>Every file below the rig but the records, with its content.</summary>
    public IEnumerable<(string Path, string Content)> Files() => Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/definitions/", StringComparison.Ordinal)).Select(f => (f, File.ReadAllText(f)));

    public void Dispose() => _folder.Dispose();
}
