using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>A clone asks for addresses as a client of its own.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class DhcpTests : IDisposable
{
    private readonly RepairRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Clients_of_systemd_are_killed_while_nothing_runs_and_started_by_it_afterwards()
    {
        Directory.CreateDirectory(_rig.At("run/systemd/system"));
        Process(40, "systemd-network", "0::/system.slice/systemd-networkd.service");
        Process(41, "dhclient", "0::/system.slice/networking.service");
        string[] leases = ["run/systemd/netif/leases/2", "var/lib/dhcp/dhclient.ens3.leases"];
        Array.ForEach(leases, file => _rig.Write(file, "lease"));
        var repair = _rig.Agent();

        var result = RepairRig.Run(repair, RepairRig.Cloned());

        Assert.Equal("", result.Failure);
        Assert.Equal((StepOutcome.Done, "systemd-network, dhclient"), Dhcp(result.Steps));
        Assert.All(leases, file => Assert.False(File.Exists(_rig.At(file))));
        Assert.Equal(["systemctl kill --signal=KILL systemd-networkd.service", "systemctl kill --signal=KILL networking.service"], _rig.Guest.Calls.TakeLast(2));
        Assert.True(repair.IsUnfinished);
        var settled = repair.Settle();
        Assert.Equal(["systemctl --no-block start systemd-networkd.service", "systemctl --no-block restart networking.service"], _rig.Guest.Calls.TakeLast(2));
        Assert.Equal([("settle", StepOutcome.Done, false), ("settle", StepOutcome.Done, false)], settled.Select(static s => (s.Name, s.Outcome, s.Mandatory)));
        Assert.Equal([.. result.Steps, .. settled], repair.Last!.Steps);
        Assert.False(_rig.Agent().IsUnfinished);
        Assert.Empty(repair.Settle());
    }

    [Fact]
    public void A_client_without_systemd_is_run_again_with_its_own_arguments()
    {
        Process(41, "dhclient", "");
        _rig.Write("proc/41/cmdline", "/elsewhere/dhclient\0-v\0eth0\0");
        var repair = _rig.Agent();

        Assert.Equal((StepOutcome.Done, "dhclient"), Dhcp(RepairRig.Run(repair, RepairRig.Cloned()).Steps));
        Assert.Equal($"signal 41 {Abi.SIGKILL}", _rig.Guest.Calls[^1]);
        _ = repair.Settle();

        Assert.Equal("dhclient -v eth0", _rig.Guest.Calls[^1]);
    }

    [Theory]
    [InlineData("0::/system.slice/docker-12.scope")]
    [InlineData("0::/user.slice/user-1000.slice/session-1.scope")]
    [InlineData("0::/system.slice/docker.service/12/x.service")]
    public void A_process_of_a_container_or_a_user_is_no_client_of_this_guest(string group)
    {
        Directory.CreateDirectory(_rig.At("run/systemd/system"));
        Process(41, "dhclient", group);

        Assert.Equal((StepOutcome.Skipped, "no DHCP client runs that is known here"), Dhcp(_rig.Run(RepairRig.Cloned()).Steps));
        Assert.DoesNotContain(_rig.Guest.Calls, static call => call.StartsWith("systemctl", StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_started_again_is_reported_and_the_guest_is_ready_all_the_same()
    {
        Directory.CreateDirectory(_rig.At("run/systemd/system"));
        Process(40, "systemd-network", "0::/system.slice/systemd-networkd.service");
        var repair = _rig.Agent();
        _ = RepairRig.Run(repair, RepairRig.Cloned());
        _rig.Guest.Errors["systemctl"] = 4;

        var settled = Assert.Single(repair.Settle());

        Assert.Equal(StepOutcome.Failed, settled.Outcome);
        Assert.Equal(@"systemctl --no-block start systemd-networkd.service: it ended with 4: it went\u000awrong", settled.Reason);
        Assert.False(repair.IsUnfinished);
    }

    [Fact]
    public void A_restored_guest_keeps_its_leases()
    {
        Directory.CreateDirectory(_rig.At("run/systemd/system"));
        Process(40, "systemd-network", "0::/system.slice/systemd-networkd.service");
        _rig.Write("run/systemd/netif/leases/2", "lease");

        _ = _rig.Run(RepairRig.Restored());

        Assert.True(File.Exists(_rig.At("run/systemd/netif/leases/2")));
        Assert.False(_rig.Agent().IsUnfinished);
    }

    private static (StepOutcome Outcome, string Reason) Dhcp(IEnumerable<StepResult> steps)
    {
        var step = steps.Single(static s => s.Name == "dhcp");
        return (step.Outcome, step.Reason);
    }

    private void Process(int pid, string name, string group)
    {
        _rig.Write($"proc/{pid}/comm", name + "\n");
        _rig.Write($"proc/{pid}/cgroup", group + "\n");
    }
}
