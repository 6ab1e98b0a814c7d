using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using ChannelSdk.Transports.Schemes;
using Google.Protobuf;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Two copies of one saved guest, and what the repair of each makes of it.</summary>
[Collection("guest")]
public sealed class RepairTests(SavedGuest saved)
{
    private static CancellationToken Soon => SavedGuest.Soon;

    [Fact]
    public async Task Two_clones_of_one_guest_have_other_random_numbers_ids_and_names()
    {
        await using var first = await saved.RestoreAsync();
        await using var second = await saved.RestoreAsync();
        var one = await CloneAsync(first, "one");
        var two = await CloneAsync(second, "two");

        // Random numbers of the kernel, /etc/machine-id and the generation.
        Assert.Equal(3, one.Length);
        Assert.Equal(3, two.Length);
        Assert.Empty(one.Intersect(two));
    }

    [Fact]
    public async Task A_restored_guest_has_another_generation_and_the_same_name()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var host = Attach(guest);
        await console.ShAsync("echo 0123456789abcdef0123456789abcdef > /etc/machine-id");

        var report = await host.CallAsync(SnapshotMethods.Complete, Request(SnapshotOrigin.Restored), new CallOptions(TimeSpan.FromSeconds(60)), Soon);

        Assert.Equal("", report.Failure);
        Assert.Equal(StepOutcome.Done, report.Steps.Single(static step => step.Name == "random").Outcome);
        Assert.Equal("guest 0123456789abcdef0123456789abcdef", await console.ShAsync("echo $(hostname) $(cat /etc/machine-id)"));
        Assert.Equal(Convert.ToHexStringLower(report.Generation.ToByteArray()), await console.ShAsync("channel-agent generation"));
        Assert.Equal("2", await console.ShAsync("channel-agent generation --wait nonsense 2>/dev/null; echo $?"));
        Assert.Equal("1", await console.ShAsync("channel-agent generation --wait $(channel-agent generation) --timeout 100ms 2>/dev/null; echo $?"));
        Assert.Equal("3", await console.ShAsync("channel-agent generation --file /nowhere 2>/dev/null; echo $?"));
    }

    [Fact]
    public async Task An_agent_that_may_not_reseed_leaves_the_clone_unrepaired()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var host = Attach(guest);
        // It knows no ioctl of random(4).
        await console.ShAsync("mount --bind /dev/zero /dev/urandom");

        var report = await host.CallAsync(SnapshotMethods.Complete, Request(SnapshotOrigin.Cloned), new CallOptions(TimeSpan.FromSeconds(60)), Soon);

        Assert.StartsWith("random: the kernel takes no entropy", report.Failure, StringComparison.Ordinal);
        Assert.Equal(SnapshotState.Unrepaired, report.State);
        Assert.Contains("\"state\":\"repairing\"", await console.ShAsync("channel-agent status --json"), StringComparison.Ordinal);
        await console.ShAsync("umount /dev/urandom");
        var again = await host.CallAsync(SnapshotMethods.Complete, Request(SnapshotOrigin.Cloned), new CallOptions(TimeSpan.FromSeconds(60)), Soon);
        Assert.Equal(("", SnapshotState.Idle), (again.Failure, again.State));
    }

    private static async Task<string[]> CloneAsync(QemuGuest guest, string name)
    {
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using var host = Attach(guest);
        await console.ShAsync("echo 0123456789abcdef0123456789abcdef > /etc/machine-id; channel-agent generation --wait 00000000000000000000000000000000 > /tmp/waited & sleep 1");
        var request = Request(SnapshotOrigin.Cloned);
        request.Identity = new SnapshotIdentity { HostName = name };

        var report = await host.CallAsync(SnapshotMethods.Complete, request, new CallOptions(TimeSpan.FromSeconds(60)), Soon);

        Assert.Equal(("", SnapshotState.Idle), (report.Failure, report.State));
        foreach (var step in (string[])["random", "generation", "machine-id", "host-name"])
        {
            Assert.Equal((step, StepOutcome.Done), (step, report.Steps.Single(s => s.Name == step).Outcome));
        }

        var random = await console.ShAsync("head -c 32 /dev/urandom | md5sum");
        Assert.Equal(name, await console.ShAsync("hostname"));
        return [random, await console.ShAsync("cat /etc/machine-id"), await console.ShAsync("wait; cat /tmp/waited")];
    }

    private static CompleteRequest Request(SnapshotOrigin origin) => new()
    {
        Origin = origin,
        Generation = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(16)),
        Entropy = ByteString.CopyFrom(RandomNumberGenerator.GetBytes(32)),
    };

    private static Channel Attach(QemuGuest guest)
    {
        var host = new Channel(PeerRole.Host, TransportEndpoints.Create(guest.ChannelUri), new ServiceRegistry());
        host.Start();
        return host;
    }
}
