using System.Diagnostics;
using System.Text;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

[Trait(Lane.Name, Lane.Integration)]
public class OperationTests
{
    private static string TrustedScript(string body) => "#!/bin/sh\nset -e\n" + body;

    [Fact]
    public async Task Both_halves_run_at_once_talk_and_set_results()
    {
        using var rig = new InstallRig(async script =>
        {
            await script.Coordinator.ProgressAsync(25, "formatting");
            Assert.Equal("from host", Encoding.UTF8.GetString(await script.Coordinator.ReceiveAsync()));
            await script.Coordinator.SendAsync("from guest"u8.ToArray());
            await script.Coordinator.BarrierAsync("installed");
            await script.Coordinator.ResultAsync("untrusted result"u8.ToArray());
            return InstallRig.Well;
        });
        rig.Write("os/create", TrustedScript("""
            channelctl half send "from host"
            echo "got: $(channelctl half receive)"
            channelctl half barrier installed
            channelctl half progress 50 "half way" && channelctl half result "trusted result"
            """));
        var (result, events) = await rig.RunAsync();
        Assert.Equal((InstallOutcome.Succeeded, ""), (result.Outcome, result.Reason));
        Assert.Equal("trusted result"u8, result.TrustedResult!.Value.Span);
        Assert.Equal("untrusted result"u8, result.UntrustedResult!.Value.Span);
        Assert.Equal([(InstallParty.Trusted, "trusted result"), (InstallParty.Untrusted, "untrusted result")], events.OfType<HalfResultEvent>().Select(e => (e.Party, e.Text)));
        Assert.Contains("untrusted result: untrusted result\n", File.ReadAllText(result.LogFile));
        Assert.Contains(events, e => e is OutputEvent { Party: InstallParty.Trusted, Text: "got: from guest" });
        Assert.Contains(events, e => e is ProgressMadeEvent { Party: InstallParty.Untrusted, Percent: 25, Text: "formatting" });
        Assert.Contains(events, e => e is ProgressMadeEvent { Party: InstallParty.Trusted, Percent: 50, Text: "half way" });
        Assert.Equal([InstallPhase.Preparing, InstallPhase.Booting, InstallPhase.Running, InstallPhase.CleaningUp, InstallPhase.Ended], events.OfType<PhaseEvent>().Select(e => e.Phase));
        Assert.Equal(InstallOutcome.Succeeded, Assert.IsType<ResultEvent>(events[^1]).Outcome);
        Assert.Equal(Enumerable.Range(1, events.Count).Select(i => (long)i), events.Select(e => e.Cursor));
        Assert.True(rig.Appliance!.Last!.IsKilled);
        Assert.Contains("got: from guest", File.ReadAllText(result.LogFile));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(result.LogFile));
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(result.LogFile)!));
    }

    [Fact]
    public async Task Scripts_find_the_instance_and_its_parameters_on_both_sides()
    {
        FakeScript? seen = null;
        using var rig = new InstallRig(script =>
        {
            seen = script;
            return Task.FromResult(InstallRig.Well);
        });
        rig.Records.Change("vm1", r => r.With("hostname", OsParameter.Public("guest")));
        rig.Write("os/untrusted/common", "x");
        rig.Write("os/create", TrustedScript("""
            echo "$CHANNELSDK_ACTION $CHANNELSDK_INSTANCE $OSP_HOSTNAME $DISK_COUNT $DISK_0_PATH $OS_NAME $(pwd)"
            test "$(channelctl half parameter hostname)" = guest
            test "$(channelctl half parameter root_password)" = "$OSP_ROOT_PASSWORD"
            """));
        var secrets = new SecretParameters();
        secrets.Add("root_password", SecretValue.CopyOf("MARKED-SECRET"u8));
        var (result, events) = await rig.RunAsync(r => r with { Secrets = secrets });
        Assert.Equal("", result.Reason);
        var words = events.OfType<OutputEvent>().First().Text.Split(' ');
        Assert.Equal(["create", "vm1", "guest", "1", rig.Disk, "os"], words[..6]);
        Assert.Equal(rig.At("definitions", "os"), words[6]);
        Assert.Equal(("create", "vm1"), (seen!.Request.Action, seen.Request.Instance));
        Assert.Equal([("hostname", 0u, "guest"), ("root_password", 2u, "MARKED-SECRET")], seen.Request.Parameters.Select(p => (p.Name, p.Class, p.Value.ToStringUtf8())));
        Assert.Contains("DISK_0_PATH=/dev/vda", seen.Request.Environment.Select(v => v.ToStringUtf8()));
        Assert.Equal(["common", "create"], seen.Scripts.Select(s => s.Name));
        Assert.Empty(secrets.Names);
        Assert.Equal(ParameterClass.Secret, rig.Records.Get("vm1").Parameters["root_password"].Class);
        Assert.Contains("root_password", Assert.Throws<ChannelException>(() => rig.Start()).Message);
    }

    [Fact]
    public async Task Private_and_secret_values_are_in_no_log_event_or_file_even_if_scripts_show_them()
    {
        using var rig = new InstallRig(async script =>
        {
            await script.Stream.WriteAsync(InstallMessage.Output, Encoding.UTF8.GetBytes("secret is MARKED-SE"));
            await script.Stream.WriteAsync(InstallMessage.Output, Encoding.UTF8.GetBytes("CRET, private MARKED-PRIVATE\n" + new string('x', 4090) + "MARKED-SECRET"));
            await script.Coordinator.LogAsync(InstallLogLevel.Info, "I know MARKED-SECRET");
            await script.Coordinator.ProgressAsync(0.001, "at MARKED-PRIVATE");
            await script.Coordinator.ResultAsync("all of MARKED-PRIVATE and MARKED-SECRET"u8.ToArray());
            return InstallWire.Ended(3, 0, "died of MARKED-SECRET");
        });
        rig.Records.Change("vm1", r => r.With("license", OsParameter.Private("MARKED-PRIVATE")));
        rig.Write("os/create", TrustedScript("set -x\necho $OSP_ROOT_PASSWORD >&2\necho $OSP_LICENSE\n"));
        var secrets = new SecretParameters();
        secrets.Add("root_password", SecretValue.CopyOf("MARKED-SECRET"u8));
        var (result, events) = await rig.RunAsync(r => r with { Secrets = secrets });
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        var said = result.Reason + string.Concat(events.Select(e => e.ToString() + InstallEventText.Line(e)));
        Assert.Contains("**********", said);
        Assert.DoesNotContain("MARKED-", said);
        Assert.Equal("all of ************** and *************"u8, result.UntrustedResult!.Value.Span);
        Assert.Equal("all of ************** and *************"u8, events.OfType<HalfResultEvent>().Single().Content.Span);
        var files = rig.Files().ToList();
        Assert.Contains(files, f => f.Path.EndsWith("operation.log", StringComparison.Ordinal) && f.Content.Contains("secret is *************, private"));
        Assert.All(files, f => Assert.DoesNotContain("MARKED-SECRET", f.Content));
        Assert.All(files.Where(f => !f.Path.Contains("/records/")), f => Assert.DoesNotContain("MARKED-PRIVATE", f.Content));
    }

    [Fact]
    public async Task A_result_is_shown_bounded_and_escaped_and_kept_as_it_is()
    {
        byte[] untrusted = [.. "\u001b[2J"u8, 0xff, .. Enumerable.Repeat((byte)'x', 60_000)];
        using var rig = new InstallRig(async script =>
        {
            await script.Coordinator.ResultAsync("replaced"u8.ToArray());
            await script.Coordinator.ResultAsync(untrusted);
            return InstallRig.Well;
        });
        var operation = rig.Start();
        await operation.Completion.WaitAsync(InstallRig.Soon);
        var told = (await rig.Open().WatchAsync(operation.Id, 0, InstallRig.Soon).ToListAsync(InstallRig.Soon)).OfType<HalfResultEvent>().Single();
        Assert.Equal(untrusted, told.Content.ToArray());
        Assert.StartsWith("\\u001b[2J\uFFFDxxx", told.Text, StringComparison.Ordinal);
        Assert.InRange(told.Text.Length, 4096, 4110);
    }

    [Fact]
    public async Task If_the_half_in_the_appliance_dies_the_other_learns_it_at_once()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallWire.Ended(7, 0, "")));
        rig.Write("os/create", "#!/bin/sh\nchannelctl half receive\necho \"receive said $?\"\nchannelctl half barrier x; echo \"barrier said $?\"\n");
        var (result, events) = await rig.RunAsync();
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("the half in the appliance failed (exit code 7)", result.Reason);
        Assert.Contains(events, e => e is OutputEvent { Text: "receive said 6" });
        Assert.Contains(events, e => e is OutputEvent { Text: "barrier said 6" });
    }

    [Fact]
    public async Task If_the_half_on_the_host_dies_the_other_learns_it_at_once()
    {
        ChannelException? learned = null;
        using var rig = new InstallRig(async script =>
        {
            learned = await Assert.ThrowsAsync<ChannelException>(async () => await script.Coordinator.ReceiveAsync(null, script.Ended));
            return InstallRig.Well;
        });
        rig.Write("os/create", TrustedScript("echo it is broken >&2; exit 3"));
        var (result, _) = await rig.RunAsync();
        Assert.Contains("the half on the host failed (exit code 3); its last words: it is broken", result.Reason);
        Assert.Equal(ChannelError.PeerEnded, learned!.Code);
    }

    [Fact]
    public async Task A_half_that_ignores_the_end_of_the_other_has_its_grace_and_no_more()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallWire.Ended(1, 0, ""))) { Grace = TimeSpan.FromMilliseconds(300) };
        rig.Write("os/create", TrustedScript("sleep 1000"));
        var started = Stopwatch.GetTimestamp();
        var (result, events) = await rig.RunAsync();
        Assert.Contains("in the appliance failed", result.Reason);
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 0.3, 20);
        // It is told why at once.
        Assert.Contains(events, e => e is LogEvent { Level: InstallLogLevel.Error } log && log.Text == $"{result.Reason}; the other half has 0.3 s to end by itself");
    }

    [Fact]
    public async Task A_message_to_a_half_that_is_not_there_fails_on_either_side()
    {
        ChannelError? code = null;
        using (var rig = new InstallRig(async script =>
        {
            code = (await Assert.ThrowsAsync<ChannelException>(async () =>
            {
                await script.Coordinator.ReceiveAsync(null, script.Ended);
            })).Code;
            return InstallRig.Well;
        }))
        {
            Assert.Equal("", (await rig.RunAsync()).Result.Reason);
            Assert.Equal(ChannelError.PeerEnded, code);
        }

        using var alone = new InstallRig();
        alone.Write("os/create", "#!/bin/sh\nchannelctl half send x\necho \"send said $?\"\n");
        var (result, events) = await alone.RunAsync();
        Assert.Equal(InstallOutcome.Succeeded, result.Outcome);
        Assert.Contains(events, e => e is OutputEvent { Text: "send said 6" });
    }

    [Fact]
    public async Task The_deadline_is_not_moved_by_talk_and_ends_everything_within_two_seconds()
    {
        using var rig = new InstallRig(async script =>
        {
            while (true)
            {
                await script.Coordinator.ProgressAsync(0.001, "still at it", script.Ended);
                await script.Stream.WriteAsync(InstallMessage.Output, "talk talk\n"u8.ToArray());
            }
        })
        { Deadline = TimeSpan.FromSeconds(2) };
        rig.Write("os/create", TrustedScript("(setsid sleep 1000 &) ; sleep 1000 & while :; do echo talk; done"));
        var secrets = new SecretParameters();
        secrets.Add("root_password", SecretValue.CopyOf("MARKED-SECRET"u8));
        var started = Stopwatch.GetTimestamp();
        var operation = rig.Start(r => r with { Secrets = secrets });
        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 2, 4);
        Assert.Equal((InstallOutcome.TimedOut, "the deadline of 2 s passed in the phase Running"), (result.Outcome, result.Reason));
        Assert.True(rig.Appliance!.Last!.IsKilled);
        Assert.Empty(OperationProcesses.Find(operation.Id));
        Assert.Empty(secrets.Names);
        Assert.InRange(new FileInfo(result.LogFile).Length, 1, 2 << 20);
        Assert.Contains("what follows is not kept", File.ReadAllText(result.LogFile));
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(result.LogFile)!));
    }

    [Fact]
    public async Task A_cancelled_operation_ends_like_one_whose_deadline_passed()
    {
        using var rig = new InstallRig(async script =>
        {
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        });
        rig.Write("os/create", TrustedScript("echo begun; sleep 1000"));
        var operation = rig.Start();
        await foreach (var next in operation.Events.ReadAsync(0, InstallRig.Soon))
        {
            if (next is OutputEvent { Text: "begun" })
            {
                operation.Cancel();
            }
        }

        var result = await operation.Completion.WaitAsync(InstallRig.Soon);
        Assert.Equal(InstallOutcome.Cancelled, result.Outcome);
        Assert.Empty(OperationProcesses.Find(operation.Id));
        operation.Cancel();
    }

    [Fact]
    public async Task An_appliance_that_never_answers_or_dies_is_told_of()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well)) { Deadline = TimeSpan.FromSeconds(1) };
        rig.Appliance = new FakeAppliance(_ => throw new InvalidOperationException()) { NeverAnswers = true };
        Assert.Equal("the deadline of 1 s passed in the phase Booting", (await rig.RunAsync()).Result.Reason);
        rig.Appliance = new FakeAppliance(_ => throw new InvalidOperationException()) { DiesAtOnce = true };
        Assert.Contains("ended before its agent answered", (await rig.RunAsync()).Result.Reason);
        rig.Appliance = new FakeAppliance(async _ =>
        {
            await rig.Appliance.Last!.DieAsync();
            return InstallRig.Well;
        });
        rig.Deadline = TimeSpan.FromSeconds(60);
        Assert.Contains("the appliance ended before its work was done", (await rig.RunAsync()).Result.Reason);
        rig.Appliance = null;
        Assert.Contains("this host has none to launch", (await rig.RunAsync()).Result.Reason);
    }

    [Fact]
    public async Task A_hypervisor_that_fails_to_kill_does_not_keep_the_operation_from_its_end()
    {
        using var rig = new InstallRig(_ => Task.FromResult(InstallRig.Well));
        rig.Appliance = new FakeAppliance(_ => Task.FromResult(InstallRig.Well)) { CannotBeKilled = true };
        var secrets = new SecretParameters();
        secrets.Add("a", SecretValue.CopyOf("x"u8));
        Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync(r => r with { Secrets = secrets })).Result.Outcome);
        Assert.Empty(secrets.Names);
        Assert.Throws<ChannelException>(() => rig.Start());
        rig.Records.Change("vm1", r => r.Without("a"));
        Assert.Equal(InstallOutcome.Succeeded, (await rig.RunAsync()).Result.Outcome);
    }

    [Fact]
    public async Task A_guest_that_breaks_the_contract_fails_the_operation_and_900_percent_are_100()
    {
        using var rig = new InstallRig(async script =>
        {
            await script.Stream.WriteAsync(InstallMessage.Progress, new Protocol.Services.InstallProgress { MilliPercent = 900_000, Text = "\u001b[2J" });
            await script.Stream.WriteAsync(InstallMessage.Output, new byte[] { 0, 255, 27, 10 });
            await script.Stream.WriteAsync((InstallMessage)99, ReadOnlyMemory<byte>.Empty);
            await Task.Delay(Timeout.Infinite, script.Ended);
            return InstallRig.Well;
        });
        var (result, events) = await rig.RunAsync();
        Assert.Equal(InstallOutcome.Failed, result.Outcome);
        Assert.Contains("kind 99", result.Reason);
        Assert.Contains(events, e => e is ProgressMadeEvent { Percent: 100, Text: "\\u001b[2J" });
        Assert.Contains(events, e => e is OutputEvent { Text: "\\u0000\uFFFD\\u001b" });
    }

    [Fact]
    public async Task A_rename_that_succeeds_renames_the_record_and_another_leaves_it()
    {
        using var rig = new InstallRig();
        rig.Records.Change("vm1", r => r.With("license", OsParameter.Private("MARKED")));
        rig.Write("os/rename", TrustedScript("[ -e \"$OSP_FLAG\" ] && [ $OLD_INSTANCE_NAME-$INSTANCE_NAME = vm1-vm2 ]"));
        rig.Records.Change("vm1", r => r.With("flag", OsParameter.Public(rig.At("flag"))));
        Func<InstallRequest, InstallRequest> rename = r => r with { Action = InstallAction.Rename, NewName = "vm2" };
        Assert.Equal(InstallOutcome.Failed, (await rig.RunAsync(rename)).Result.Outcome);
        Assert.Equal(["vm1"], rig.Records.List());
        await File.WriteAllTextAsync(rig.At("flag"), "");
        var (result, _) = await rig.RunAsync(rename);
        Assert.Equal("", result.Reason);
        Assert.Equal(["vm2"], rig.Records.List());
        Assert.Equal("MARKED", rig.Records.Get("vm2").Parameters["license"].Reveal());
    }

    [Fact]
    public async Task An_appliance_gets_the_hardware_of_the_record_and_its_disks_where_none_are_given()
    {
        using var rig = new InstallRig(static _ => Task.FromResult(InstallRig.Well));
        rig.Records.Change("vm1", r => r with
        {
            Disks = [new TargetDisk(rig.Disk, "qcow2")],
            BackendParameters = new Dictionary<string, string> { [InstanceRecord.MemoryParameter] = "1024", [InstanceRecord.CpusParameter] = "3" },
            Nics = [new InstanceNic("aa:00:00:12:34:56") { Link = "br0" }],
        });
        Assert.Equal("", (await rig.RunAsync(static r => r with { Disks = [] })).Result.Reason);
        Assert.Equal([new TargetDisk(rig.Disk, "qcow2")], rig.Appliance!.Request!.Disks);
        var hardware = rig.Appliance.Request.Hardware;
        Assert.Equal((1024, 3), (hardware.MemoryMiB, hardware.Cpus));
        Assert.Equal([new MachineNic("aa:00:00:12:34:56", "br0")], hardware.Nics);
        Assert.Equal("", (await rig.RunAsync()).Result.Reason);
        Assert.Equal([new TargetDisk(rig.Disk)], rig.Appliance.Request.Disks);
    }

    [Theory]
    [InlineData("maxmem", "1G")]
    [InlineData("maxmem", "0")]
    [InlineData("vcpus", "256")]
    public void Memory_and_processors_that_cannot_be_are_told_before_anything_begins(string name, string value)
    {
        using var rig = new InstallRig();
        rig.Write("os/create", TrustedScript("true"));
        rig.Records.Change("vm1", r => r with { BackendParameters = new Dictionary<string, string> { [name] = value } });
        Assert.Contains($"the record of vm1 has {name}={value}; it takes 1 to", Assert.Throws<ChannelException>(() => rig.Start()).Message);
    }
}
