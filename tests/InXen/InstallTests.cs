using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Xen;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Processes;
using Microsoft.Extensions.Time.Testing;

namespace ChannelSdk.InXen;

/// <summary>Operations in an appliance that is a Xen domain.</summary>
public sealed class InstallTests : IDisposable
{
    private const string Create = """
        #!/bin/sh
        set -e
        PATH=$PATH:/bin:/sbin
        channel-agent progress 10 "making a file system"
        mke2fs $DISK_0_PATH >/dev/null 2>&1
        mount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET
        channel-agent progress 40 copying
        echo "$INSTANCE_NAME" > $CHANNELSDK_TARGET/hostname
        channel-agent progress 100 copied
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("install-").FullName;

    private static CancellationToken Soon => TestDomain.Soon;

    [Fact]
    public async Task A_blank_disk_is_installed_and_the_host_sees_the_progress()
    {
        var disk = At("disk.img");
        using (var file = File.Create(disk))
        {
            file.SetLength(8 << 20);
        }

        var operation = NewInstaller(TimeSpan.FromMinutes(2), Create).Start(new InstallRequest { Instance = "vm1", Disks = [new TargetDisk(disk)] });
        var events = await operation.Events.ReadAsync(0, Soon).ToListAsync(Soon);
        var result = await operation.Completion.WaitAsync(Soon);
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal([10, 40, 100], events.OfType<ProgressMadeEvent>().Select(e => e.Percent ?? -1));
        Assert.Equal("", await Dom0.ShAsync($"xl list | grep channelsdk- || true"));
        Assert.Equal("vm1", await Dom0.ShAsync($"mkdir -p {At("m")} && mount -o loop,ro -t ext4 {disk} {At("m")} && cat {At("m")}/hostname && umount {At("m")}"));
    }

    [Fact]
    public async Task An_appliance_that_never_ends_is_gone_soon_after_the_deadline()
    {
        var clock = new FakeTimeProvider();
        var operation = NewInstaller(TimeSpan.FromMinutes(2), "#!/bin/sh\nchannel-agent progress 1 busy\nwhile :; do sleep 1; done\n", time: clock)
            .Start(new InstallRequest { Instance = "vm1" });
        await foreach (var one in operation.Events.ReadAsync(0, Soon))
        {
            if (one is ProgressMadeEvent)
            {
                clock.Advance(TimeSpan.FromMinutes(2));
                break;
            }
        }

        var result = await operation.Completion.WaitAsync(Soon);
        Assert.Equal((InstallOutcome.TimedOut, "the deadline of 120 s passed in the phase Running"), (result.Outcome, result.Reason));
        Assert.Equal("", await Dom0.ShAsync("xl list | grep channelsdk- || true"));
    }

    [Fact]
    public async Task A_domain_that_a_crashed_host_left_is_destroyed_by_the_next()
    {
        var installer = NewInstaller(TimeSpan.FromMinutes(2), "#!/bin/sh\n", "create");
        var name = $"channelsdk-{Guid.NewGuid():N}";
        await using var left = await XlGuest.StartAsync(new XlOptions
        {
            Name = name,
            Kernel = $"{TestDomain.Images}/domu-kernel",
            Initrd = $"{TestDomain.Images}/domu-initrd",
            MemoryMiB = 160,
            Folder = _folder,
        }, Soon);
        var gone = left.Exited;
        var finished = installer.Start(new InstallRequest { Instance = "vm1" });
        await finished.Completion.WaitAsync(Soon);
        // An operation on the host alone, as a process that is no more would have left it.
        var (folder, journal) = Installer.Journals(At("state/operations")).Single();
        (journal with { Outcome = null, Ended = null, Owner = new ProcessIdentity(1, 1), Resources = [new LaunchResource(LaunchResourceKind.Domain, name)] }).Write(folder.Journal);

        var found = Assert.Single(NewInstaller(TimeSpan.FromMinutes(2), "#!/bin/sh\n", "create").Interrupted);

        Assert.Equal(InstallOutcome.Interrupted, found.Outcome);
        Assert.DoesNotContain("could not be removed", found.Reason, StringComparison.Ordinal);
        await gone.WaitAsync(Soon);
        Assert.Equal("", await Dom0.ShAsync($"xl list | grep {name} || true"));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private Installer NewInstaller(TimeSpan deadline, string script, string half = "untrusted/create", TimeProvider? time = null)
    {
        var definition = At($"definitions/os/{half}");
        Directory.CreateDirectory(Path.GetDirectoryName(definition)!);
        File.WriteAllText(definition, script);
        File.SetUnixFileMode(definition, (UnixFileMode)0b111_101_101);
        var records = new InstanceRecordStore(At("records"));
        records.Put(new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsDefinition = "os" });
        return new Installer(new InstallerOptions
        {
            Folder = At("state"),
            Records = records,
            Definitions = new DefinitionCatalog(At("definitions")),
            Deadline = deadline,
            Time = time ?? TimeProvider.System,
            Launcher = new XlLauncher(new XlLauncherOptions
            {
                Kernel = $"{TestDomain.Images}/domu-kernel",
                Initrd = $"{TestDomain.Images}/domu-initrd",
                Append = $"{TestDomain.Append} channel.install=allow",
                MemoryMiB = 160,
                Settings = TestDomain.Settings,
            }),
        });
    }
}
