using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Guest.Tests;

/// <summary>The host's program killed in each phase of an operation, and hung up on.</summary>
[Collection("appliance")]
public sealed class InstallPhaseKillTests(Appliance appliance) : IDisposable
{
    private const string InGuest = "#!/bin/sh\nset -e\nPATH=$PATH:/bin:/sbin\n";
    private const string Waits = "#!/bin/sh\necho on the host\nsleep 1000\n";
    private const string WaitsThere = "echo in the appliance\nsleep 1000\n";
    private const string Former = "a former one";
    private static readonly string[] s_inner = ["--package-network", EndlessServer.Network];

    private readonly InstallRig _rig = new(appliance);
    private readonly EndlessServer _server = new();

    private string Folder => Directory.GetDirectories(Path.Combine(_rig.Options.Folder, "operations")).Single();

    public void Dispose()
    {
        _server.Dispose();
        _rig.Dispose();
    }

    [Fact]
    public async Task Killed_while_it_asks_for_the_package()
    {
        UseScripts("create", WaitsThere);
        UsePackage(EndlessServer.Silent);
        using var host = Start("create", "tap", s_inner);
        await UntilAsync(host, Phase(InstallPhase.Preparing));
        await KillAsync(host, hasMachine: false);
    }

    [Fact]
    public async Task Killed_while_its_verify_runs()
    {
        UseScripts("create", WaitsThere);
        _rig.Write("verify", Waits);
        using var host = Start("create", "tap");
        await UntilAsync(host, "on the host");
        Assert.NotEmpty((await KillAsync(host, hasMachine: false)).Processes);
    }

    [Fact]
    public async Task Killed_while_it_fetches_an_image()
    {
        _rig.Records.Change("vm1", record => record with { OsDefinition = null, OsImage = _server.Url(EndlessServer.Endless), ImageRules = new ImageRules { IsUnverified = true } });
        using var host = Start("create", "tap", s_inner);
        await UntilAsync(host, Moved("image"));
        var image = new FileInfo(Path.Combine(Folder, "image/content"));
        Assert.InRange(image.Length, 1, long.MaxValue);
        await KillAsync(host, hasMachine: false);
        Assert.False(File.Exists(image.FullName));
    }

    [Fact]
    public async Task Killed_while_its_appliance_boots()
    {
        UseScripts("create", WaitsThere);
        using var host = Start("create", "tap");
        await UntilAsync(host, Phase(InstallPhase.Booting));
        Assert.Contains((await KillAsync(host)).Resources, t => t.Kind == LaunchResourceKind.Network);
    }

    [Fact]
    public async Task Killed_while_both_halves_run_over_a_user_network()
    {
        UseScripts("create", WaitsThere);
        using var host = Start("create", "usernet", "--forward-program", Path.Combine(appliance.Root, "artifacts/host/channel-forward"));
        await UntilAsync(host, "on the host", "in the appliance");
        var left = await KillAsync(host);
        Assert.Contains(left.Resources, t => t.Kind == LaunchResourceKind.File && t.Name.StartsWith("/run/channelsdk/sockets/", StringComparison.Ordinal));
        Assert.InRange(left.Processes.Count, 2, int.MaxValue);
    }

    [Fact]
    public async Task Killed_while_the_package_is_laid_over_the_system()
    {
        UseScripts("create", "mke2fs -q $DISK_0_PATH\nmount -t ext4 $DISK_0_PATH $CHANNELSDK_TARGET\n");
        UsePackage(EndlessServer.Stuck);
        using var host = Start("create", "tap", s_inner);
        await UntilAsync(host, "on the host", Phase(InstallPhase.Personalizing));
        Assert.InRange((await KillAsync(host)).Processes.Count, 2, int.MaxValue);
    }

    [Fact]
    public async Task Killed_while_the_data_of_a_disk_is_exported()
    {
        UseScripts("export", "while dd if=/dev/zero bs=65536 count=1 2>/dev/null; do usleep 20000; done\n");
        await File.WriteAllTextAsync(_rig.At("dump"), Former);
        using var host = Start("export", "tap", "--to", _rig.At("dump"));
        await UntilAsync(host, "on the host", Moved("data"));
        var left = await KillAsync(host);
        Assert.Contains(left.Resources, t => t.Kind == LaunchResourceKind.File && Path.GetDirectoryName(t.Name) == Path.GetDirectoryName(_rig.At("dump")));
        Assert.Equal(Former, await File.ReadAllTextAsync(_rig.At("dump")));
    }

    [Fact]
    public async Task Killed_while_the_data_of_a_disk_is_imported()
    {
        const long bytes = 1L << 30;
        UseScripts("import", "while dd of=$IMPORT_DEVICE bs=65536 count=1 2>/dev/null; do usleep 20000; done\n");
        using var host = Start("import", "tap", "--from", _rig.NewDisk("dump", bytes).Path);
        await UntilAsync(host, "on the host", Moved("data"));
        await KillAsync(host);
        Assert.Equal(bytes, new FileInfo(_rig.At("dump")).Length);
    }

    [Fact]
    public async Task Killed_while_it_cleans_up()
    {
        UseScripts("create", "exit 1\n");
        File.Delete(_rig.At("definitions/os/create"));
        using var host = Start("create", "tap");
        await UntilAsync(host, Phase(InstallPhase.CleaningUp));
        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        await ListAsync();
        // It may have come to its end before the kill.
        Assert.Contains(new Installer(_rig.Options).List().Single().Outcome, (InstallOutcome?[])[InstallOutcome.Interrupted, InstallOutcome.Failed]);
        InstallKillTests.AssertNothingIsLeft(_rig, Folder);
    }

    [Fact]
    public async Task A_host_that_is_hung_up_on_ends_its_operation_in_order()
    {
        UseScripts("create", WaitsThere);
        using var host = Start("create", "tap");
        await UntilAsync(host, "on the host", "in the appliance");
        Assert.Equal(0, ProcessCalls.Kill(host.Id, 1));
        await host.StandardOutput.ReadToEndAsync(InstallRig.Soon);
        await host.WaitForExitAsync(InstallRig.Soon);
        Assert.Equal(129, host.ExitCode);
        Assert.Empty(new Installer(_rig.Options).Interrupted);
        Assert.Equal(InstallOutcome.Cancelled, new Installer(_rig.Options).List().Single().Outcome);
        InstallKillTests.AssertNothingIsLeft(_rig, Folder);
    }

    private static string Phase(InstallPhase phase) => $"\"phase\":\"{phase}\"";

    private static string Moved(string kind) => $"\"kind\":\"{kind}\".*\"bytes\":[1-9]";

    /// <summary>A half in the appliance, and one on the host that does not end by itself.</summary>
    private void UseScripts(string action, string untrusted)
    {
        _rig.Write($"untrusted/{action}", InGuest + untrusted);
        _rig.Write(action, Waits);
    }

    private void UsePackage(string name) => _rig.Records.Change("vm1", record => record with { PersonalizationUrl = _server.Url(name) });

    private Process Start(string action, string transport, params string[] more) =>
        InstallKillTests.StartTool(_rig, appliance, action, transport, ["--json", "--disk", _rig.NewDisk("disk.img").Path, .. more]);

    /// <summary>Reads the host's events until there was one for each of some patterns.</summary>
    private static async Task UntilAsync(Process host, params string[] patterns)
    {
        for (var missing = patterns.ToList(); missing.Count > 0;)
        {
            var line = await host.StandardOutput.ReadLineAsync(InstallRig.Soon);
            Assert.NotNull(line);
            missing.RemoveAll(pattern => Regex.IsMatch(line, pattern));
        }
    }

    /// <summary>Kills the host's program; the next command finds what it has left and removes it. Returns what there was at the kill.</summary>
    private async Task<(IReadOnlyList<ProcessIdentity> Processes, IReadOnlyList<LaunchResource> Resources)> KillAsync(Process host, bool hasMachine = true)
    {
        var journal = Path.Combine(Folder, "journal.json");
        var operation = OperationJournal.Read(journal).Operation;
        var user = hasMachine ? await UserOfMachineAsync(operation) : 0;
        ProcessIdentity[] processes = [.. OperationProcesses.Find(operation).Select(ProcessIdentity.Of).OfType<ProcessIdentity>()];
        var resources = OperationJournal.Read(journal).Resources;
        LaunchResource[] files = [.. resources.Where(t => t.Kind == LaunchResourceKind.File)];
        Assert.All(files, file => Assert.True(Path.Exists(file.Name)));
        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        Assert.Contains($"{operation} vm1", await ListAsync());
        var ended = OperationJournal.Read(journal);
        Assert.Equal(InstallOutcome.Interrupted, ended.Outcome);
        Assert.Contains($"the process {host.Id.ToString(CultureInfo.InvariantCulture)} that ran it went away", ended.Reason);
        Assert.DoesNotContain("could not be removed", ended.Reason);
        InstallKillTests.AssertNothingIsLeft(_rig, Folder);
        Assert.All(processes, process => Assert.False(process.IsRunning));
        Assert.All(files, file => Assert.False(Path.Exists(file.Name)));
        // The guard that holds it ends a moment after what it has killed.
        for (var end = InstallRig.Soon; user != 0 && File.Exists(Path.Combine(QemuConfinement.UsersFolder, user.ToString(CultureInfo.InvariantCulture)));)
        {
            await Task.Delay(5, end);
        }

        return (processes, resources);
    }

    private Task<string> ListAsync() => DiskGuest.RunAsync(Path.Combine(AppContext.BaseDirectory, "channelctl"), "install", "list", "--state", _rig.Options.Folder);

    /// <summary>Waits for the appliance's QEMU to run as the user that it was given.</summary>
    private static async Task<uint> UserOfMachineAsync(string operation)
    {
        var end = InstallRig.Soon;
        while (true)
        {
            if (OperationProcesses.Find(operation).Select(UserOf).FirstOrDefault(static user => user >= UserRange.Appliances.First) is > 0 and var user)
            {
                return user;
            }

            await Task.Delay(5, end);
        }
    }

    private static uint UserOf(int process)
    {
        const string name = "Uid:";
        try
        {
            return uint.Parse(File.ReadAllLines($"/proc/{process}/status").Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim().Split('\t')[0], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // It has ended meanwhile.
            return 0;
        }
    }
}
