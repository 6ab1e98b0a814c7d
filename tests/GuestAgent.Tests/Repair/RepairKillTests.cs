using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests.Repair;

/// <summary>An agent that is killed in the middle of a repair, and its successor.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class RepairKillTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    [Fact]
    public void The_same_request_ends_well_wherever_the_agent_was_killed_before()
    {
        var calls = Calls();
        Assert.True(calls >= 8, $"{calls} calls");
        for (var at = 0; at < calls; at++)
        {
            using var rig = NewRig();
            rig.Guest.KilledAt = at;
            var killed = rig.Agent();
            // Its thread stays in the call for ever, as a killed one does.
            new Thread(() => RepairRig.Run(killed, Request())) { IsBackground = true }.Start();
            Assert.True(rig.Guest.Killed.Wait(s_limit));
            rig.Guest.KilledAt = int.MaxValue;
            var successor = rig.Agent();
            Assert.True(successor.IsUnfinished);

            var result = RepairRig.Run(successor, Request());

            Assert.True(result.Failure.Length == 0, $"killed at call {at}: {result.Failure}");
            _ = successor.Settle();
            AssertWhole(rig, at);
            Assert.False(rig.Agent().IsUnfinished);
        }
    }

    [Theory]
    [InlineData("etc/hosts", "127.0.1.1\tclone.example.net clone\n")]
    [InlineData("etc/machine-id", "abababababababababababababababab\n")]
    [InlineData("etc/ssh/.channel-agent/ssh_host_rsa_key", "half")]
    [InlineData("etc/ssh/ssh_host_rsa_key.pub", "public of a pair whose other half is the old one")]
    [InlineData("var/lib/cloud/seed/nocloud/meta-data", "instance-id: 'i-clone''s'\n")]
    public void What_a_killed_agent_has_left_of_a_step_does_not_disturb_the_next(string file, string content)
    {
        using var rig = NewRig();
        rig.Write(file, content);

        Assert.Equal("", rig.Run(Request()).Failure);

        _ = rig.Agent().Settle();
        AssertWhole(rig, -1);
        Assert.False(Path.Exists(rig.At("etc/ssh/.channel-agent")));
    }

    private static int Calls()
    {
        using var rig = NewRig();
        _ = rig.Run(Request());
        return rig.Guest.Calls.Count;
    }

    private static RepairRig NewRig()
    {
        var rig = new RepairRig();
        Directory.CreateDirectory(rig.At("run/systemd/system"));
        rig.Write("proc/40/comm", "systemd-network\n");
        rig.Write("proc/40/cgroup", "0::/system.slice/systemd-networkd.service\n");
        return rig;
    }

    private static CompleteRequest Request() => RepairRig.Cloned(identity: RepairRig.Whole());

    private static void AssertWhole(RepairRig rig, int at)
    {
        var where = $"killed at call {at}";
        Assert.Equal(("abababababababababababababababab\n", where), (rig.Read("etc/machine-id"), where));
        Assert.Equal(("clone.example.net\n", where), (rig.Read("etc/hostname"), where));
        Assert.Contains("127.0.1.1\tclone.example.net clone\n", rig.Read("etc/hosts"), StringComparison.Ordinal);
        Assert.DoesNotContain("old", rig.Read("etc/ssh/ssh_host_rsa_key") + rig.Read("etc/ssh/ssh_host_ed25519_key"), StringComparison.Ordinal);
        Assert.Equal(("525400000002", where), (rig.Guest.Addresses[2], where));
        Assert.Equal(RepairRig.First, rig.Agent().Generation);
        // What was killed is started again, also if it was killed by the one before.
        Assert.Equal(("systemctl --no-block start systemd-networkd.service", where), (rig.Guest.Calls[^1], where));
    }
}
