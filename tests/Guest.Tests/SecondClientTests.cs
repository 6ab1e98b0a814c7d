using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Host.Diagnosis;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Guest.Tests;

/// <summary>QEMU's sockets have one client at a time. The machine has nothing to boot: its QEMU is all that matters.</summary>
public class SecondClientTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    [Fact]
    public async Task A_second_host_is_told_that_the_socket_is_in_use_and_goes_on_when_the_first_ends()
    {
        await using var guest = await QemuGuest.StartAsync(new QemuOptions { MemoryMiB = 64 }, Soon);
        await using var second = new ChannelHost();
        Instance waiting;
        await using (var first = new ChannelHost())
        {
            await UntilOpenAsync(first.Attach("vm1", guest.ChannelUri));
            waiting = second.Attach("vm1", guest.ChannelUri);
            while (Diagnostician.Judge(waiting.Status).Condition != Condition.InUse)
            {
                await Task.Delay(20, Soon);
            }

            var (code, text) = await WhyAsync(guest.ChannelUri);
            Assert.Equal(20, code);
            Assert.StartsWith("InUse: another client holds the channel", text, StringComparison.Ordinal);
            // What they have left in QEMU's queue is no hindrance later.
            Assert.Equal(20, (await WhyAsync($"qga://{guest.ChannelSocket}")).Code);
        }

        await UntilOpenAsync(waiting);
        Assert.Equal(Condition.DriverOrAgentMissing, Diagnostician.Judge(waiting.Status).Condition);
    }

    [Fact]
    public async Task A_monitor_that_serves_another_client_is_told_to_be_in_use()
    {
        await using var guest = await QemuGuest.StartAsync(new QemuOptions { MemoryMiB = 64 }, Soon);
        var path = Path.Combine(Path.GetDirectoryName(guest.ChannelSocket)!, "qmp.sock");
        var error = await Assert.ThrowsAsync<ChannelException>(() => MachineProbe.AskAsync(path, cancellationToken: Soon));
        Assert.Equal(ChannelError.EndpointBusy, error.Code);
        Assert.Contains($"{path}: the program that listens there serves another client", error.Message, StringComparison.Ordinal);
        Assert.Equal("running", (await MachineProbe.AskAsync(guest.Qmp, cancellationToken: Soon)).RunState);
    }

    private static async Task UntilOpenAsync(Instance instance)
    {
        while (instance.Status.Channel.LinkState != LinkState.Handshake)
        {
            await Task.Delay(20, Soon);
        }
    }

    private static async Task<(int Code, string Text)> WhyAsync(string uri)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "channelctl"), ["why", uri]) { RedirectStandardOutput = true };
        using var why = Process.Start(start)!;
        var text = await why.StandardOutput.ReadToEndAsync(Soon);
        await why.WaitForExitAsync(Soon);
        return (why.ExitCode, text);
    }
}
