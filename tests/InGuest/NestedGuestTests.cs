using System.Diagnostics;
using ChannelSdk.Channels;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Sessions;

namespace ChannelSdk.InGuest;

/// <summary>
/// The host's side of the kernel's vhost-vsock, for which this guest is the host: a guest inside of it, whose agent dials CID 2.
/// </summary>
public sealed class NestedGuestTests
{
    private const int Cid = 42;

    [Fact]
    public async Task A_guest_announces_itself_through_the_kernels_vhost_vsock()
    {
        await using var host = new ChannelHost();
        // Emulation in emulation: seconds here are minutes there.
        var instance = host.Attach("inner", $"vsock-listen://{Cid}:5000", new InstanceOptions
        {
            CallTimeout = TimeSpan.FromMinutes(4),
            Channel = new ChannelOptions { Session = new SessionOptions { HeartbeatInterval = TimeSpan.FromSeconds(30), LivenessTimeout = TimeSpan.FromMinutes(2) } },
        });
        using var soon = new CancellationTokenSource(TimeSpan.FromMinutes(12));
        var watch = Stopwatch.StartNew();
        // The saved guest of the tests outside, whose agent dials the host; its boot would take minutes here.
        await using var guest = await QemuGuest.StartAsync(
            new QemuOptions
            {
                Kernel = "/guest/vmlinuz",
                Initrd = "/guest/initrd",
                Accelerator = "tcg",
                MemoryMiB = 128,
                SharedMemory = true,
                RestoreFrom = "/guest/state",
                Arguments = ["-L", "/guest/bios"],
            },
            soon.Token);
        await guest.Qmp.ExecuteAsync("device_add", $"{{\"driver\":\"vhost-vsock-pci\",\"guest-cid\":{Cid},\"addr\":\"06\"}}", soon.Token);
        Console.WriteLine($"restored: {watch.Elapsed.TotalSeconds:F1} s");
        await StepAsync("ready", instance.WaitReadyAsync(soon.Token));
        await StepAsync("ping", instance.Info.PingAsync(cancellationToken: soon.Token));
        await StepAsync("measure", instance.Measure.SendAsync(256 << 10, null, soon.Token));
        instance.DropLink("test");
        await StepAsync("ping after the link was dropped", instance.Info.PingAsync(cancellationToken: soon.Token));
        Assert.True(instance.Status.Channel.Resumes >= 1);
        Assert.Equal(StateWord.Ready, instance.Status.State);
    }

    /// <summary>What takes minutes says how far it came.</summary>
    private static async Task StepAsync(string name, Task step)
    {
        var watch = Stopwatch.StartNew();
        await step;
        Console.WriteLine($"{name}: {watch.Elapsed.TotalSeconds:F1} s");
    }
}
