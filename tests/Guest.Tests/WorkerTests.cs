using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Guest.Tests;

/// <summary>The agent in a real guest, over a virtio-serial port whose bytes a worker reads.</summary>
[Collection("guest")]
public sealed class VirtioSerialByWorkerTests(SavedGuest saved) : AgentTests
{
    protected override async Task<AttachedGuest> StartAsync()
    {
        var guest = await saved.RestoreAsync();
        return new AttachedGuest(guest, () => TransportEndpoints.Create(guest.ChannelUri), [guest]) { IsIsolated = true };
    }
}

/// <summary>The agent in a real guest, over the tap of its namespace, whose bytes a worker reads.</summary>
[Collection("tap guest")]
public sealed class TapByWorkerTests(SavedTapGuest saved) : AgentTests
{
    protected override async Task<AttachedGuest> StartAsync()
    {
        var started = await saved.StartAsync();
        started.IsIsolated = true;
        return started;
    }
}

/// <summary>The agent in a real guest, over a vsock device that a worker serves.</summary>
[Collection("vsock guest")]
public sealed class VsockByWorkerTests(SavedVsockGuest saved) : AgentTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    protected override Task<AttachedGuest> StartAsync() => saved.StartByWorkerAsync("worker");

    [Fact]
    public async Task The_memory_of_the_guest_is_in_its_worker_and_nothing_of_QEMU_is_in_the_host_manager()
    {
        await using var started = await StartAsync();
        var vm = started.AttachByWorker();
        await using var channel = vm.Channel;
        await vm.WaitReadyAsync(Soon);
        await Transfers.SendAsync(channel, 1 << 20, cutEvery: long.MaxValue);
        const string memory = "/memfd:memory-backend-memfd";
        Assert.Contains(memory, await File.ReadAllTextAsync($"/proc/{vm.Status.Worker!.ProcessId}/maps"), StringComparison.Ordinal);
        Assert.DoesNotContain(memory, await File.ReadAllTextAsync("/proc/self/maps"), StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.EnumerateFiles("/proc/self/fd").Select(static fd => new FileInfo(fd).LinkTarget ?? ""), static target => target.StartsWith(memory, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_guest_boots_on_while_its_worker_is_killed_and_announces_itself_to_the_next_one()
    {
        await using var device = SavedVsockGuest.NewBoundDevice("boot-worker");
        // QEMU comes later, and waits for the device as it starts.
        await using var started = new AttachedGuest(null!, () => device.Listen(SavedVsockGuest.Port), []);
        var vm = started.AttachByWorker();
        await using var channel = vm.Channel;
        await using var guest = await saved.BootAsync(options => options with { VsockSocket = device.SocketPath });
        Assert.Equal(0, ProcessCalls.Kill(vm.Status.Worker!.ProcessId, Abi.SIGKILL));
        await vm.WaitReadyAsync(Soon);
        await Transfers.SendAsync(channel, 1 << 20, cutEvery: long.MaxValue);
    }

    [Fact]
    public async Task Workers_that_are_killed_under_transfers_are_followed_by_others_that_have_the_same_guest()
    {
        await using var started = await StartAsync();
        var vm = started.AttachByWorker();
        await using var channel = vm.Channel;
        await vm.WaitReadyAsync(Soon);
        var session = channel.Status.SessionId;
        for (var round = 0; round < 6; round++)
        {
            var worker = vm.Status.Worker!.ProcessId;
            var transfer = round % 2 == 0 ? Transfers.SendAsync(channel, 32 << 20, cutEvery: long.MaxValue) : Transfers.ReceiveAsync(channel, 32 << 20, cutEvery: long.MaxValue);
            await Task.Delay(50);
            Assert.Equal(0, ProcessCalls.Kill(worker, Abi.SIGKILL));
            await transfer;
            await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
            Assert.NotEqual(worker, vm.Status.Worker!.ProcessId);
            Assert.Equal(session, channel.Status.SessionId);
        }

        // The driver begins again, on the connection of QEMU that was kept over all of them.
        await using var console = await GuestConsole.ConnectAsync(started.Guest.ConsoleSocket);
        await console.ShAsync("cd /sys/bus/virtio/drivers/vmw_vsock_virtio_transport; d=$(echo virtio*); echo $d > unbind; echo $d > bind");
        await Transfers.SendAsync(channel, 4 << 20, cutEvery: 1 << 20);
    }
}
