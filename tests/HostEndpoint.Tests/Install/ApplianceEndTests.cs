using System.Text;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Events;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What is told of an appliance, or of a script in it, that came to a bad end.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class ApplianceEndTests
{
    [Theory]
    [InlineData("", "it was reset from inside", "the appliance ended before its work was done: it was reset from inside")]
    [InlineData("[    9.1] Kernel panic - not syncing: sysrq triggered crash\r\n[    9.2] more\r\n", "it was reset from inside",
        "the appliance ended before its work was done: it was reset from inside (Kernel panic - not syncing: sysrq triggered crash)")]
    [InlineData("Kernel panic - not syncing: \u001b[2J", "", "the appliance ended before its work was done: Kernel panic - not syncing: \\u001b[2J")]
    public async Task Why_an_appliance_ended_is_in_the_reason(string console, string reason, string told)
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        rig.Appliance = new FakeAppliance(async _ =>
        {
            await rig.Appliance!.Last!.DieAsync();
            return InstallRig.Well;
        })
        { Diagnosis = new LaunchDiagnosis { Reason = reason, Console = Encoding.UTF8.GetBytes(console) } };
        Assert.Equal(told, (await rig.RunAsync()).Result.Reason);
    }

    [Theory]
    [InlineData(0, 9, "Out of memory: Killed process 77 (dd) total-vm:9kB, anon-rss:1kB\n", "(ended by signal 9, Out of memory: Killed process 77 (dd))")]
    [InlineData(137, 0, "[1] Memory cgroup out of memory: Killed process 8 (a) b), total-vm:9kB\r\n", "(exit code 137, out of memory: Killed process 8 (a) b))")]
    [InlineData(0, 9, "", "(ended by signal 9)")]
    [InlineData(3, 0, "Out of memory: Killed process 77 (dd) total-vm:9kB\n", "(exit code 3)")]
    public async Task A_script_that_was_killed_for_want_of_memory_is_told_of_as_such(uint code, uint signal, string console, string told)
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallWire.Ended(code, signal, "")));
        rig.Appliance!.Diagnosis = new LaunchDiagnosis { Console = Encoding.UTF8.GetBytes(console) };
        Assert.Equal($"the half in the appliance failed {told}", (await rig.RunAsync()).Result.Reason);
    }

    [Fact]
    public async Task A_half_that_fails_without_a_disk_is_told_of_as_such()
    {
        using var rig = new InstallRig(async script =>
        {
            await script.Stream.WriteAsync(InstallMessage.Error, "Usage: mke2fs device\n"u8.ToArray());
            return InstallWire.Ended(1, 0, "");
        });
        Assert.Equal("the half in the appliance failed (exit code 1); it was given no disk; its last words: Usage: mke2fs device", (await rig.RunAsync(r => r with { Disks = [] })).Result.Reason);
    }

    [Fact]
    public async Task The_last_words_of_an_appliance_that_failed_are_in_the_log_escaped_and_without_private_values()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallWire.Ended(1, 0, "")));
        rig.Records.Change("vm1", r => r.With("license", OsParameter.Private("MARKED-PRIVATE")));
        // The first of them is cut: its rest could not be found as such. The next lies over the end of what is left out for that.
        var console = "KED-PRIVATE MARKED-PRIVATE\r\n\u001b[2Jlast\r\n";
        console = console.Insert(console.Length - 6, new string('x', LaunchDiagnosis.MaxOutput - Encoding.UTF8.GetByteCount(console)));
        rig.Appliance!.Diagnosis = new LaunchDiagnosis { Console = Encoding.UTF8.GetBytes(console), Errors = "qemu: no MARKED-PRIVATE\n"u8.ToArray() };
        var (failed, events) = await rig.RunAsync();
        var log = await File.ReadAllTextAsync(failed.LogFile);
        Assert.Contains("console| ************\n", log);
        Assert.Contains("console| \\u001b[2Jxxx", log);
        Assert.Contains("hypervisor| qemu: no **************\n", log);
        Assert.DoesNotContain("PRIVATE", log);
        Assert.DoesNotContain(events, e => InstallEventText.Line(e).Contains("console|", StringComparison.Ordinal));
        rig.Appliance = new FakeAppliance(_ => Task.FromResult(InstallRig.Well)) { Diagnosis = rig.Appliance.Diagnosis };
        var (well, _) = await rig.RunAsync();
        Assert.Equal("", well.Reason);
        Assert.DoesNotContain("console|", await File.ReadAllTextAsync(well.LogFile));
    }
}
