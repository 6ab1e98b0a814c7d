using System.Diagnostics;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>The gate of a real agent against the freezer of a real kernel.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class GateTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("gate-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_program_stands_still_while_the_gate_is_shut_and_hooks_run_before()
    {
        // The hook needs the program, as one that asks a database to rest does.
        await using var guest = new GateRig(_folder.FullName, hook: $"""
            [ $1 = freeze ] || exit 0
            old=$(cat {_folder.FullName}/count); n=0
            while [ "$old" = "$(cat {_folder.FullName}/count)" ]; do sleep 0.01; done
            """);
        await guest.AssertCountsAsync();

        var prepared = await guest.PrepareAsync();

        Assert.Equal("", prepared.Failure);
        Assert.Equal(["other"], guest.Frozen);
        await guest.AssertStandsStillAsync();
        await guest.GoOnAsync();
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task The_gate_opens_when_the_lease_ends()
    {
        await using var guest = new GateRig(_folder.FullName);

        Assert.Equal("", (await guest.PrepareAsync(lease: 1000)).Failure);

        await guest.AssertOpensAsync();
        Assert.Contains("lease", (await guest.StatusAsync()).LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_gate_opens_when_the_host_has_gone_for_too_long()
    {
        await using var guest = new GateRig(_folder.FullName);
        Assert.Equal("", (await guest.PrepareAsync(linkLoss: 500)).Failure);
        await guest.AssertStandsStillAsync();

        await guest.LeaveAsync();

        await guest.AssertOpensAsync();
        guest.Return();
        Assert.Contains("no link", (await guest.StatusAsync()).LastEnd, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_gate_opens_when_the_agent_is_killed_and_starts_again()
    {
        await using var guest = new GateRig(_folder.FullName);
        Assert.Equal("", (await guest.PrepareAsync()).Failure);
        await guest.AssertStandsStillAsync();

        using (var agent = Process.GetProcessById(guest.AgentId))
        {
            agent.Kill();
        }

        await guest.AssertOpensAsync();
        await guest.LeaveAsync();
        guest.Return();
        Assert.Equal(SnapshotState.Idle, (await guest.StatusAsync()).State);
        Assert.Equal("", (await guest.PrepareAsync()).Failure);
        await guest.GoOnAsync();
    }

    [Fact]
    public async Task A_program_that_forks_and_makes_groups_without_end_stands_still_as_well()
    {
        await using var guest = new GateRig(_folder.FullName,
            "mkdir forks; sh -c 'echo $$ > forks/cgroup.procs; i=0; while :; do mkdir forks/$i; sh -c \"echo \\$\\$ > forks/$i/cgroup.procs; /bin/true\"; rmdir forks/$i; i=$((i+1)); done' 2>/dev/null &");
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("", (await guest.PrepareAsync()).Failure);
            Assert.Equal(["forks", "other"], guest.Frozen);
            await guest.GoOnAsync();
            Assert.Empty(guest.Frozen);
        }
    }

    [Fact]
    public async Task A_process_in_the_agents_group_is_a_refusal_and_nothing_stays_frozen()
    {
        await using var guest = new GateRig(_folder.FullName, "sh -c 'echo $$ > agent/cgroup.procs; exec sleep 1000' &");
        await guest.AssertCountsAsync();

        var report = await guest.PrepareAsync();

        Assert.Contains("(sleep)", report.Failure, StringComparison.Ordinal);
        Assert.Equal(SnapshotState.Idle, report.State);
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task A_process_in_the_root_group_is_a_refusal()
    {
        await using var guest = new GateRig(_folder.FullName, "sh -c 'echo $$ > cgroup.procs; exec sleep 1000' &");

        Assert.Contains("control group / has processes besides", (await guest.PrepareAsync()).Failure, StringComparison.Ordinal);
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task An_agent_whose_supervisor_would_stand_still_is_a_refusal()
    {
        await using var guest = new GateRig(_folder.FullName,
            "mkdir supervisor; sh -c 'echo $$ > supervisor/cgroup.procs; while :; do sh -c \"echo \\$\\$ > agent/cgroup.procs; exec \\\"\\$@\\\"\" sh \"$@\"; done' sh \"$@\" & wait; exit");

        Assert.Contains("/supervisor", (await guest.PrepareAsync()).Failure, StringComparison.Ordinal);
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task A_guest_without_control_groups_of_version_2_is_a_refusal()
    {
        await using var guest = new GateRig(_folder.FullName, "mount -t tmpfs none /sys/fs/cgroup");

        Assert.Contains("no control groups of version 2", (await guest.PrepareAsync()).Failure, StringComparison.Ordinal);
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task A_hook_that_hangs_or_fails_leaves_the_gate_open()
    {
        await using var guest = new GateRig(_folder.FullName, hook: $"[ $1 = thaw ] || if [ -e {_folder.FullName}/hang ]; then sleep 1000; else exit 3; fi");

        Assert.Equal("hook 10-hook ended with code 3", (await guest.PrepareAsync()).Failure);
        await guest.AssertOpensAsync();
        File.WriteAllText($"{_folder.FullName}/hang", "");
        Assert.Equal("hook 10-hook took too long", (await guest.PrepareAsync()).Failure);
        await guest.AssertOpensAsync();
    }

    [Fact]
    public async Task A_group_that_was_frozen_before_stays_so()
    {
        await using var guest = new GateRig(_folder.FullName, "mkdir before; { sleep 600 </dev/null >/dev/null 2>&1 & }; echo $! > before/cgroup.procs; echo 1 > before/cgroup.freeze");

        var prepared = await guest.PrepareAsync();

        Assert.Contains("left so: /before", prepared.Steps.Single(static step => step.Name == "gate").Reason, StringComparison.Ordinal);
        await guest.GoOnAsync();
        Assert.Equal(["before"], guest.Frozen);
    }

    [Fact]
    public async Task It_is_prepared_once_and_completed_once()
    {
        await using var guest = new GateRig(_folder.FullName);
        await guest.PrepareAsync();
        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(() => guest.PrepareAsync())).Code);
        Assert.Equal(["other"], guest.Frozen);
        await guest.GoOnAsync();
        Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(guest.GoOnAsync)).Code);
        await guest.AssertOpensAsync();
    }
}
