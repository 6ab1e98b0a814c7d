using ChannelSdk.Host;
using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>The diagnosis of a real machine by its real monitor.</summary>
[Collection("guest")]
public class WhyTests(SavedGuest saved)
{
    [Fact]
    public async Task Ready_paused_and_a_missing_agent_are_told_apart()
    {
        await using var guest = await saved.RestoreAsync();
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await using (var host = new ChannelHost())
        {
            var instance = host.Attach("vm1", guest.ChannelUri);
            await instance.WaitReadyAsync(SavedGuest.Soon);
            await instance.Info.PingAsync(SavedGuest.Soon);
            var facts = await MachineProbe.AskAsync(guest.Qmp, cancellationToken: SavedGuest.Soon);
            Assert.Equal(new MachineFacts("running", null, true), facts);
            Assert.Equal(Condition.Ready, Diagnostician.Judge(instance.Status, facts).Condition);

            await guest.Qmp.ExecuteAsync("stop", null, SavedGuest.Soon);
            Assert.Equal(Condition.Paused, Diagnostician.Judge(instance.Status, await MachineProbe.AskAsync(guest.Qmp, cancellationToken: SavedGuest.Soon)).Condition);
            await guest.Qmp.ExecuteAsync("cont", null, SavedGuest.Soon);
        }

        await console.ShAsync("touch /tmp/no-agent; kill -9 $(pidof channel-agent); while pidof channel-agent; do usleep 50000; done");
        await using var next = new ChannelHost();
        var silent = next.Attach("vm1", guest.ChannelUri);
        var without = await MachineProbe.AskAsync(guest.Qmp, cancellationToken: SavedGuest.Soon);
        Assert.False(without.IsPortOpen);
        Assert.Equal(Condition.DriverOrAgentMissing, Diagnostician.Judge(silent.Status, without).Condition);
        Assert.Null((await MachineProbe.AskAsync(guest.Qmp, "org.example.other.0", cancellationToken: SavedGuest.Soon)).IsPortOpen);
    }
}
