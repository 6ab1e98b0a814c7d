using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Guest.Tests;

/// <summary>Operations in a real appliance under QEMU.</summary>
[Collection("appliance")]
public class InstallTests(Appliance appliance)
{
    private const string Private = "MARKED-PRIVATE";
    private const string Begin = "#!/bin/sh\nset -e\nhalf() { channelctl half \"$@\"; }\n";
    private const string InGuest = "#!/bin/sh\nset -e\nPATH=$PATH:/bin:/sbin\nhalf() { channel-agent \"$@\"; }\n";

    private const string Create = InGuest + """
        half step format 0 40
        half progress 0 "making a file system"
        mke2fs -q $DISK_0_PATH
        mount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET
        half step --end
        half step copy 40 100
        mkdir -p $CHANNELSDK_TARGET/bin $CHANNELSDK_TARGET/etc
        cp /bin/busybox $CHANNELSDK_TARGET/bin/
        ln -s busybox $CHANNELSDK_TARGET/bin/sh
        echo "$OSP_HOSTNAME" > $CHANNELSDK_TARGET/etc/hostname
        [ "$(half parameter root_password)" = "$OSP_ROOT_PASSWORD" ]
        echo "${#OSP_ROOT_PASSWORD} ${#OSP_LICENSE}" > $CHANNELSDK_TARGET/etc/lengths
        half progress 100 copied
        half step --end
        half send installed
        half barrier both
        half result "$(ls $CHANNELSDK_TARGET/bin)"
        """;

    [Fact]
    public async Task A_small_system_is_installed_onto_a_blank_disk_by_both_halves_and_personalized()
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", Create);
        rig.Write("create", Begin + """
            [ "$(half receive)" = installed ]
            half barrier both
            [ "$(half parameter root_password)" = "$OSP_ROOT_PASSWORD" ]
            half result ok
            """);
        rig.Write("parameters.list", "hostname =guest\nlicense private required\nroot_password secret required\n");
        await WritePackageAsync(rig.At("p.tar.gz"));
        rig.Records.Change("vm1", r => (r with { PersonalizationUrl = $"file://{rig.At("p.tar.gz")}" }).With("license", OsParameter.Private(Private)));
        var disk = rig.NewDisk("disk.img");
        var secret = new MarkedSecret();
        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = [disk], Secrets = secret.As("root_password") });
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal("busybox\nsh", Encoding.UTF8.GetString(result.UntrustedResult!.Value.Span));
        Assert.Equal("ok"u8, result.TrustedResult!.Value.Span);
        Assert.Equal("guest\n", await InstallRig.ReadAsync(disk, "/etc/hostname"));
        Assert.Equal("24 14\n", await InstallRig.ReadAsync(disk, "/etc/lengths"));
        Assert.Equal("laid over", await InstallRig.ReadAsync(disk, "/etc/motd"));
        Assert.Contains(events, e => e is ProgressMadeEvent { Party: InstallParty.Untrusted, Percent: 40 });
        Assert.Contains(events, e => e is ProgressMadeEvent { Party: InstallParty.Untrusted, Percent: 100, Steps: ["copy"], Text: "copied" });
        Assert.Equal([InstallPhase.Preparing, InstallPhase.Booting, InstallPhase.Running, InstallPhase.Personalizing, InstallPhase.CleaningUp, InstallPhase.Ended], events.OfType<PhaseEvent>().Select(e => e.Phase));
        AssertOnlyInStore(rig, events, secret);
    }

    [Theory]
    [InlineData(ApplianceTransport.VirtioSerial)]
    [InlineData(ApplianceTransport.Tap)]
    [InlineData(ApplianceTransport.UserNet)]
    [InlineData(ApplianceTransport.Vsock)]
    public async Task Export_import_and_rename_run_as_pairs_over_every_transport(ApplianceTransport transport)
    {
        using var rig = new InstallRig(appliance, transport);
        rig.Write("untrusted/export", InGuest + """
            mount -t ext4 -o ro $DISK_0_PATH $CHANNELSDK_TARGET
            tar -c -C $CHANNELSDK_TARGET etc | gzip | half send
            half barrier taken
            """);
        rig.Write("export", Begin + "half receive > \"$OSP_EXPORT\"\nhalf barrier taken\nhalf result \"$(stat -c %s \"$OSP_EXPORT\")\"\n");
        rig.Write("untrusted/import", InGuest + """
            mke2fs -q $DISK_0_PATH
            mount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET
            half receive | gzip -d | tar -x -C $CHANNELSDK_TARGET
            half progress 100 imported
            """);
        rig.Write("import", Begin + "half send < \"$OSP_EXPORT\"\n");
        rig.Write("untrusted/rename", InGuest + """
            mount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET
            [ "$(cat $CHANNELSDK_TARGET/etc/hostname)" = "$(half receive)" ]
            echo $INSTANCE_NAME > $CHANNELSDK_TARGET/etc/hostname
            """);
        rig.Write("rename", Begin + "half send $OLD_INSTANCE_NAME\n");
        rig.Records.Change("vm1", r => r.With("export", OsParameter.Public(rig.At("export.tgz"))));
        var (source, copy) = (rig.NewDisk("source.img"), rig.NewDisk("copy.img"));
        await FillAsync(rig, source);
        var exported = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Export, Disks = [source] });
        Assert.Equal("", exported.Result.Reason);
        Assert.True(new FileInfo(rig.At("export.tgz")).Length > 0);
        var imported = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Import, Disks = [copy] });
        Assert.Equal("", imported.Result.Reason);
        Assert.Equal("vm1\n", await InstallRig.ReadAsync(copy, "/etc/hostname"));
        var renamed = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Rename, NewName = "vm2", Disks = [copy] });
        Assert.Equal("", renamed.Result.Reason);
        Assert.Equal("vm2\n", await InstallRig.ReadAsync(copy, "/etc/hostname"));
        AssertNoNetwork(rig);
    }

    [Fact]
    public async Task A_script_that_never_stops_writing_is_killed_at_the_deadline_and_leaves_nothing()
    {
        var watched = new WatchedLauncher(appliance.Launcher(ApplianceTransport.Tap));
        using var rig = new InstallRig(appliance, deadline: TimeSpan.FromSeconds(25));
        rig.Options = rig.Options with { Launcher = watched };
        var secret = new MarkedSecret();
        rig.Write("untrusted/create", InGuest + "(while :; do half progress 50 talking; done) &\n[ -n \"$OSP_ROOT_PASSWORD\" ]\nhalf parameter root_password > /dev/null\nwhile :; do echo talk; done\n");
        rig.Write("create", Begin + "half parameter root_password > /dev/null\n(setsid sleep 1000 &)\nwhile :; do echo talk; sleep 0.01; done\n");
        var request = new InstallRequest { Instance = "vm1", Disks = [rig.NewDisk("disk.img")], Secrets = secret.As("root_password") };
        var started = Stopwatch.GetTimestamp();
        var operation = rig.Start(request);
        var events = new List<InstallEvent>();
        await foreach (var next in operation.Events.ReadAsync(0, InstallRig.Soon))
        {
            events.Add(next);
            if (events.Count(e => e is OutputEvent { Party: InstallParty.Untrusted }) == 1)
            {
                // Both halves and the appliance run now: no command line has the secret.
                Assert.NotEmpty(OperationProcesses.Find(operation.Id));
                Assert.DoesNotContain(CommandLines(), line => secret.IsIn(line));
            }
        }

        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.InRange(Stopwatch.GetElapsedTime(started, await watched.Gone.Task).TotalSeconds, 25, 27);
        Assert.Equal((InstallOutcome.TimedOut, "the deadline of 25 s passed in the phase Running"), (result.Outcome, result.Reason));
        Assert.Contains(events, e => e is OutputEvent { Party: InstallParty.Untrusted, Text: "talk" });
        Assert.Contains(events, e => e is OutputEvent { Party: InstallParty.Trusted, Text: "talk" });
        Assert.Empty(OperationProcesses.Find(operation.Id));
        AssertNoNetwork(rig);
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(result.LogFile)!));
        Assert.Equal(["events.jsonl", "journal.json", "operation.log"], Directory.GetFiles(Path.GetDirectoryName(result.LogFile)!).Select(f => Path.GetFileName(f)).Order());
        AssertOnlyInStore(rig, events, secret);
        Assert.Equal([], secret.FindInMemory());
    }

    [Fact]
    public async Task An_appliance_that_crashes_is_told_of_and_the_next_starts_afresh()
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", InGuest + "[ ! -e /root/was-here ]\ntouch /root/was-here\n[ \"$OSP_CRASH\" = no ] || { sync; poweroff -f; sleep 100; }\n");
        rig.Records.Change("vm1", r => r.With("crash", OsParameter.Public("yes")));
        var (crashed, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal((InstallOutcome.Failed, "the appliance ended before its work was done: it switched itself off"), (crashed.Outcome, crashed.Reason));
        rig.Records.Change("vm1", r => r.With("crash", OsParameter.Public("no")));
        var (good, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal("", good.Reason);
    }

    [Fact]
    public async Task A_hostile_archive_is_refused_as_a_whole_with_its_entry_named()
    {
        using var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", InGuest + "mke2fs -q $DISK_0_PATH\nmount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET\n");
        await WritePackageAsync(rig.At("p.tgz"), "etc/../../escape");
        rig.Records.Change("vm1", r => r with { PersonalizationUrl = $"file://{rig.At("p.tgz")}" });
        var (result, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Disks = [rig.NewDisk("disk.img")] });
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("etc/../../escape", result.Reason);
    }

    [Fact]
    public async Task An_appliance_without_a_network_fetches_from_a_mirror_and_from_nowhere_else()
    {
        using var server = new HeadServer(static head => HeadServer.Ok(head.StartsWith("GET /debian/file ", StringComparison.Ordinal) ? "of the mirror" : "secret"), "127.0.0.2");
        using var rig = new InstallRig(appliance);
        var mirror = new Uri($"{server.Url}/debian/");
        rig.Options = rig.Options with { Mirrors = [mirror], MirrorNetworks = [System.Net.IPNetwork.Parse("127.0.0.2/32")] };
        rig.Write("untrusted/create", InGuest + """
            wget -q -O /tmp/file $OSP_URL/debian/file
            ! wget -O /dev/null $OSP_URL/secret
            half result "$(cat /tmp/file)"
            """);
        rig.Records.Change("vm1", r => r.With("url", OsParameter.Public(server.Url)));
        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal("", result.Reason);
        Assert.Equal("of the mirror", Encoding.UTF8.GetString(result.UntrustedResult!.Value.Span));
        Assert.Single(server.Requests);
        Assert.Contains(events, e => e is OutputEvent { IsError: true, Text: var text } && text.Contains("403 Forbidden", StringComparison.Ordinal));
        Assert.Contains(events, e => e is LogEvent { Text: var text } && text.Contains($"{server.Url}/secret is of no mirror", StringComparison.Ordinal));
        Assert.Contains(events, e => e is LogEvent { Text: var text } && text == $"mirror {mirror}: 1 requests, 13 bytes");
    }

    private static void AssertOnlyInStore(InstallRig rig, List<InstallEvent> events, MarkedSecret secret)
    {
        var said = string.Concat(events.Select(e => e.ToString() + InstallEventText.Line(e)));
        Assert.DoesNotContain(Private, said);
        Assert.False(secret.IsIn(Encoding.UTF8.GetBytes(said)));
        foreach (var (path, content) in rig.Files())
        {
            Assert.True(path.Contains("/records/", StringComparison.Ordinal) || content.AsSpan().IndexOf(Encoding.UTF8.GetBytes(Private)) < 0, $"{path} has the private value");
            Assert.False(secret.IsIn(content), $"{path} has the secret");
        }
    }

    /// <summary>Sees when the appliance has gone.</summary>
    private sealed class WatchedLauncher(IInstanceLauncher launcher) : IInstanceLauncher
    {
        public TaskCompletionSource<long> Gone { get; } = new();

        public async Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
        {
            var launched = await launcher.LaunchAsync(request, cancellationToken);
            _ = launched.Exited.ContinueWith(_ => Gone.SetResult(Stopwatch.GetTimestamp()), TaskScheduler.Default);
            return launched;
        }
    }

    private static IEnumerable<byte[]> CommandLines()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0])))
        {
            byte[] line;
            try
            {
                line = File.ReadAllBytes(Path.Combine(folder, "cmdline"));
            }
            catch (IOException)
            {
                // It has ended meanwhile.
                continue;
            }

            yield return line;
        }
    }

    // Those of this test's operations: other tests may be at work on the same machine.
    private static void AssertNoNetwork(InstallRig rig) =>
        Assert.Empty(LinkLocalNetwork.List().Intersect(new Installer(rig.Options).List().Select(o => $"install-{o.Operation[..16]}")));

    private static async Task FillAsync(InstallRig rig, TargetDisk disk)
    {
        var root = Directory.CreateDirectory(rig.At("fill/etc"));
        await File.WriteAllTextAsync(Path.Combine(root.FullName, "hostname"), "vm1\n");
        using var process = Process.Start(new ProcessStartInfo("mkfs.ext4") { ArgumentList = { "-q", "-F", "-d", rig.At("fill"), disk.Path } })!;
        await process.WaitForExitAsync(InstallRig.Soon);
        Assert.Equal(0, process.ExitCode);
    }

    /// <summary>A package with one file.</summary>
    internal static async Task WritePackageAsync(string path, string name = "etc/motd")
    {
        await using var file = File.Create(path);
        await using var zip = new GZipStream(file, CompressionLevel.Fastest);
        await using var tar = new TarWriter(zip);
        await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream("laid over"u8.ToArray()) });
    }
}
