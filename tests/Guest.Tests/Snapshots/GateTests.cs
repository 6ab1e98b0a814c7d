using ChannelSdk.Channels;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Snapshots;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>The gate in a Debian guest with systemd, which runs the agent as its package has it.</summary>
[Collection("debian guest")]
public class GateTests
{
    // A service that counts; the console's shell is stopped with it.
    private const string Start = "echo 'i=0; while :; do i=$((i+1)); echo $i > /run/count; done' > /run/counter; systemd-run -q --unit=counter sh /run/counter";

    [Fact]
    public async Task Services_and_logins_stand_still_and_go_on_when_the_host_says_so()
    {
        var scratch = Directory.CreateTempSubdirectory("channelsdk-gate-").FullName;
        try
        {
            await using var guest = await DebianGuest.BootAsync("", network: null, vsockSocket: null, scratch);
            await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
            await console.WaitForAsync("# ", TimeSpan.FromMinutes(5));
            await console.ShAsync("stty -echo; PS1=; cloud-init status --wait >/dev/null 2>&1", TimeSpan.FromMinutes(5));
            await console.ShAsync(Start);
            await using (var host = Attach(guest))
            {
                var prepared = await host.CallAsync(SnapshotMethods.Prepare,
                    new PrepareRequest { Kind = SnapshotKind.Memory, Gate = true, Freeze = true, LeaseMs = 120_000 }, default, DebianGuest.Soon);
                Assert.Equal(("", SnapshotState.Prepared), (prepared.Failure, prepared.State));

                Assert.Equal([("inhibitors", StepOutcome.Done), ("hooks", StepOutcome.Done), ("gate", StepOutcome.Done), ("file systems", StepOutcome.Done)],
                    prepared.Steps.Select(static step => (step.Name, step.Outcome)));
                // The shell of the console is a service as well, and does not answer.
                await Assert.ThrowsAsync<TimeoutException>(() => console.ShAsync("true", TimeSpan.FromSeconds(3)));
                Assert.Equal(ChannelError.FailedPrecondition, (await Assert.ThrowsAsync<ChannelException>(
                    () => host.CallAsync(SnapshotMethods.Prepare, new PrepareRequest { Kind = SnapshotKind.Memory, LeaseMs = 5000 }, default, DebianGuest.Soon).AsTask())).Code);

                var ended = await host.CallAsync(SnapshotMethods.Complete, new CompleteRequest { Origin = SnapshotOrigin.GoesOn }, default, DebianGuest.Soon);
                Assert.Equal(SnapshotState.Idle, ended.State);
            }

            await console.WaitForAsync("DONE-3-", TimeSpan.FromMinutes(1));
            Assert.Equal("0", await console.ShAsync("cat /sys/fs/cgroup/*.slice/cgroup.freeze /sys/fs/cgroup/system.slice/*/cgroup.freeze | sort -u"));
            Assert.Equal("1", await console.ShAsync("old=$(cat /run/count); sleep 1; [ $old != $(cat /run/count) ] && echo 1"));
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
    }

    private static Channel Attach(QemuGuest guest)
    {
        var host = new Channel(PeerRole.Host, TransportEndpoints.Create(guest.ChannelUri), new ServiceRegistry());
        host.Start();
        return host;
    }
}
