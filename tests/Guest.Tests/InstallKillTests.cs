using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests;

/// <summary>Kill -9 of each party of an operation while both halves are at work: each ends in an explained state, and nothing is left.</summary>
[Collection("appliance")]
public class InstallKillTests(Appliance appliance, ITestOutputHelper output)
{
    private const string Untrusted = "#!/bin/sh\nPATH=$PATH:/bin:/sbin\nchannel-agent barrier begun\n";
    private static readonly TimeSpan s_bound = TimeSpan.FromSeconds(30);
    private const string Wait = "#!/bin/sh\nchannelctl half barrier begun\necho begun\nsleep 1000\n";

    [Theory]
    [InlineData("kill -9 $$\n", "the half in the appliance failed (ended by signal 9")]
    [InlineData("killall -9 channel-agent\nsleep 1000\n", "")]
    public async Task Killed_in_the_appliance(string last, string reason)
    {
        using var rig = NewRig(Untrusted + last);
        var (result, _) = await rig.RunAsync(new InstallRequest { Instance = "vm1" });
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains(reason, result.Reason);
        Assert.NotEqual("", result.Reason);
        AssertNothingIsLeft(rig, Path.GetDirectoryName(result.LogFile)!);
    }

    [Theory]
    [InlineData("qemu-system-x86", "the appliance ended before its work was done: QEMU was ended by signal 9")]
    [InlineData("/bin/sh\0/proc/self/fd/", "the half on the host failed (ended by signal 9)")]
    public async Task Killed_on_the_host(string words, string reason)
    {
        using var rig = NewRig(Untrusted + "sleep 1000\n");
        var operation = rig.Start(new InstallRequest { Instance = "vm1" });
        var killed = DateTimeOffset.MaxValue;
        await foreach (var next in operation.Events.ReadAsync(0, InstallRig.Soon))
        {
            if (next is OutputEvent { Text: "begun" })
            {
                // The script's child is its copy until it runs its program.
                int[] found = [.. OperationProcesses.Find(operation.Id).Where(id => File.ReadAllText($"/proc/{id}/{(words[0] == '/' ? "cmdline" : "comm")}").Contains(words, StringComparison.Ordinal))];
                var victim = found.Single(id => !found.Contains(ParentOf(id)));
                killed = DateTimeOffset.UtcNow;
                Process.GetProcessById(victim).Kill();
            }

            if (InstallEventText.Text(next).Contains(reason, StringComparison.Ordinal))
            {
                output.WriteLine($"told after {(next.At - killed).TotalSeconds:0.00} s: {InstallEventText.Text(next)}");
                Assert.InRange(next.At - killed, TimeSpan.Zero, s_bound);
            }
        }

        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains(reason, result.Reason);
        AssertNothingIsLeft(rig, Path.GetDirectoryName(result.LogFile)!);
    }

    [Fact]
    public async Task A_host_that_is_killed_leaves_nothing_once_the_next_has_come()
    {
        using var rig = NewRig(Untrusted + "sleep 1000\n");
        using var host = StartTool(rig, appliance);
        for (var line = ""; !line!.Contains("out| begun", StringComparison.Ordinal);)
        {
            line = await host.StandardOutput.ReadLineAsync(InstallRig.Soon);
            Assert.NotNull(line);
        }

        host.Kill();
        await host.WaitForExitAsync(InstallRig.Soon);
        var found = Assert.Single(new Installer(rig.Options).Interrupted);
        Assert.Contains($"the process {host.Id.ToString(CultureInfo.InvariantCulture)} that ran it went away", found.Reason);
        Assert.DoesNotContain("could not be removed", found.Reason);
        Assert.Contains(found.Resources, t => t.Kind == LaunchResourceKind.Network);
        AssertNothingIsLeft(rig, Directory.GetDirectories(Path.Combine(rig.Options.Folder, "operations")).Single());
    }

    /// <summary>channelctl, which installs by the rig's definition. It takes SIGHUP, even where these tests were told to ignore it.</summary>
    internal static Process StartTool(InstallRig rig, Appliance appliance, string action = "create", string transport = "tap", params string[] more)
    {
        var guest = Directory.CreateDirectory(rig.At("appliance")).FullName;
        File.CreateSymbolicLink(Path.Combine(guest, "vmlinuz"), Path.Combine(appliance.Root, ".cache/guest/vmlinuz"));
        File.CreateSymbolicLink(Path.Combine(guest, "initrd"), Path.Combine(appliance.Root, ".cache/guest/initrd"));
        var start = new ProcessStartInfo("env") { RedirectStandardOutput = true };
        foreach (var argument in (string[])[
            "--default-signal=HUP", Path.Combine(AppContext.BaseDirectory, "channelctl"), "install", action, "vm1", "--state", rig.Options.Folder, "--definitions", rig.At("definitions"),
            "--appliance", guest, "--append", Appliance.Append, "--transport", transport, .. more])
        {
            start.ArgumentList.Add(argument);
        }

        // The record is where the tool looks for it.
        new InstanceRecordStore(Path.Combine(rig.Options.Folder, "records")).Put(rig.Records.Get("vm1"));
        return Process.Start(start)!;
    }

    /// <summary>The fourth field of proc_pid_stat(5).</summary>
    private static int ParentOf(int id) => int.Parse(File.ReadAllText($"/proc/{id}/stat").Split(") ")[^1].Split(' ')[1], CultureInfo.InvariantCulture);

    internal static void AssertNothingIsLeft(InstallRig rig, string folder)
    {
        var operation = OperationJournal.Read(Path.Combine(folder, "journal.json"));
        Assert.NotNull(operation.Outcome);
        Assert.Empty(OperationProcesses.Find(operation.Operation));
        Assert.Empty(Directory.GetDirectories(folder));
        Assert.DoesNotContain(Transports.LinkLocal.LinkLocalNetwork.List(), name => name == $"install-{operation.Operation[..16]}");
        Assert.All(operation.Resources.Where(t => t.Kind == LaunchResourceKind.ControlGroup), t => Assert.False(Directory.Exists(t.Name)));
        Assert.Empty(new Installer(rig.Options).Interrupted);
    }

    private InstallRig NewRig(string untrusted)
    {
        var rig = new InstallRig(appliance);
        rig.Write("untrusted/create", untrusted);
        rig.Write("create", Wait);
        return rig;
    }
}
