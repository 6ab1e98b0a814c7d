using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Launch;
using ChannelSdk.Protocol;
using ChannelSdk.Runtime;

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
        await using var host = new HostEndpoint.HostEndpoint();
        // Emulation in emulation: seconds here are minutes there.
        var instance = host.Attach("inner", $"vsock-listen://{Cid}:5000", new InstanceOptions
        {
            CallTimeout = TimeSpan.FromMinutes(4),
            Channel = new ChannelOptions { Session = new SessionOptions { LivenessTimeout = TimeSpan.FromMinutes(2) } },
        });
        await using var guest = await QemuGuest.StartAsync(new QemuOptions
        {
            Kernel = "/guest/vmlinuz",
            Initrd = "/guest/initrd",
            Accelerator = "tcg",
            MemoryMiB = 128,
            Append = "channel.endpoint=vsock://2:5000",
            Arguments = ["-L", "/guest/bios", "-device", $"vhost-vsock-pci,guest-cid={Cid}"],
        });
        using var soon = new CancellationTokenSource(TimeSpan.FromMinutes(6));
        await instance.WaitReadyAsync(soon.Token);
        await instance.Info.PingAsync(cancellationToken: soon.Token);
        await instance.Measure.SendAsync(256 << 10, null, soon.Token);
        instance.DropLink("test");
        await instance.Info.PingAsync(cancellationToken: soon.Token);
        Assert.True(instance.Status.Channel.Resumes >= 1);
        Assert.Equal(StateWord.Ready, instance.Status.State);
    }
}
