using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using Xunit.Abstractions;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>The gate in a Debian guest with systemd, which runs the agent as its package has it.</summary>
[Collection("debian template")]
public class GateTests(DebianTemplate template, ITestOutputHelper output)
{
    // A service that counts; the console's shell is stopped with it.
    private const string Start = "echo 'i=0; while :; do i=$((i+1)); echo $i > /run/count; sleep 0.05; done' > /run/counter; systemd-run -q --unit=counter sh /run/counter";

    // Says that it is ready, and has the kernel kill $p once something comes on the port (fcntl.h: F_SETSIG is 10).
    private const string Arm = "python3 -c 'import fcntl as f,os,signal,sys;p=os.open(\"/dev/ttyS1\",os.O_RDWR|os.O_NOCTTY|os.O_NONBLOCK);f.fcntl(p,f.F_SETOWN,int(sys.argv[1]));"
        + "f.fcntl(p,10,9);f.fcntl(p,f.F_SETFL,os.O_NONBLOCK|os.O_ASYNC);print(\"armed\",flush=True);signal.pause()' $p";

    [Fact]
    public async Task Services_and_logins_stand_still_and_go_on_when_the_host_says_so()
    {
        await using var copy = await template.CopyAsync();
        Assert.Equal("", (await copy.CompleteAsync(SnapshotOrigin.Restored)).Failure);
        await copy.ShAsync(Start);
        var host = (await copy.AttachAsync()).Channel;
        var prepared = await host.CallAsync(SnapshotMethods.Prepare,
            new PrepareRequest { Kind = SnapshotKind.Memory, Gate = true, Freeze = true, LeaseMs = 120_000 }, default, DebianGuest.Soon);
        Assert.Equal(("", SnapshotState.Prepared), (prepared.Failure, prepared.State));

        Assert.Equal([("inhibitors", StepOutcome.Done), ("hooks", StepOutcome.Done), ("gate", StepOutcome.Done), ("file systems", StepOutcome.Done)],
            prepared.Steps.Select(static step => (step.Name, step.Outcome)));
        // The shell of the console is a service as well, and does not answer.
        await Assert.ThrowsAsync<TimeoutException>(() => copy.Console.ShAsync("true", TimeSpan.FromSeconds(3)));
        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(
            () => host.CallAsync(SnapshotMethods.Prepare, new PrepareRequest { Kind = SnapshotKind.Memory, LeaseMs = 5000 }, default, DebianGuest.Soon).AsTask())).Code);

        var ended = await host.CallAsync(SnapshotMethods.Complete, new CompleteRequest { Origin = SnapshotOrigin.GoesOn }, default, DebianGuest.Soon);
        Assert.Equal(SnapshotState.Idle, ended.State);

        // What was typed meanwhile is answered now.
        Assert.Equal("0", (await copy.ShAsync("echo; cat /sys/fs/cgroup/*.slice/cgroup.freeze /sys/fs/cgroup/system.slice/*/cgroup.freeze | sort -u")).Split('\n')[^1]);
        Assert.Equal("1", await copy.ShAsync("old=$(cat /run/count); sleep 1; [ \"$old\" != \"$(cat /run/count)\" ] && echo 1"));
    }

    [Fact]
    public async Task An_agent_that_is_killed_behind_its_own_gate_is_started_again_by_systemd_and_opens_it()
    {
        await using var copy = await template.CopyAsync();
        Assert.Equal("", (await copy.CompleteAsync(SnapshotOrigin.Restored)).Failure);
        using var line = await KillLine.ConnectAsync(copy.KillPort);
        var rig = new KillRig(await copy.AttachAsync(), copy.Console, line, Arm, "/var/tmp");
        await rig.AddHookAsync("hooks.d");
        await rig.AddHookAsync("generation.d");

        // With the gate shut and the root file system frozen.
        await rig.ArmAsync();
        await rig.PrepareAsync();
        await rig.KillAsync(static () => Task.FromResult(0), TimeSpan.FromSeconds(1));
        Assert.Contains("the agent ended while frozen, and the next one thawed", (await rig.RecoverAsync()).LastEnd, StringComparison.Ordinal);
        Assert.Equal("freeze memory thaw memory", await rig.HooksAsync());

        // While a hook runs.
        await rig.ShAsync("echo freeze > /tmp/slow");
        await rig.ArmAsync();
        Assert.NotNull((await rig.KillAsync(() => rig.PrepareAsync(), TimeSpan.FromSeconds(1))).Error);
        await rig.RecoverAsync();
        Assert.Equal("freeze memory thaw memory", await rig.HooksAsync());

        // While a copy repairs itself: its host says again what it is.
        await rig.ShAsync("echo restored > /tmp/slow");
        var completion = new Host.Snapshots.SnapshotCompletion { Origin = Host.Snapshots.SnapshotOrigin.Restored };
        await rig.ArmAsync();
        await rig.PrepareAsync();
        var (report, error) = await rig.KillAsync(() => rig.CompleteAsync(completion), TimeSpan.FromSeconds(1.5));
        Assert.Null(error);
        Assert.Equal((completion.Generation, true), (report!.Generation, report.IsGated));
        await rig.RecoverAsync();
        output.WriteLine($"from a kill until programs ran and wrote: at most {rig.Longest.TotalSeconds:0.000} s");
    }
}
