using ChannelSdk.Protocol;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Packets;
using Xunit;

namespace ChannelSdk.Transports.Tests.Vsock;

/// <summary>Only a privileged process of the guest can be the agent.</summary>
public sealed class SourcePortTests
{
    [Fact]
    public async Task A_guest_that_connects_from_a_port_any_process_can_have_is_refused_and_the_agent_is_served()
    {
        using var directory = new TestDirectory();
        await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"] });
        device.Start();
        await using ITransportEndpoint endpoint = device.Listen(DeviceBench.Port);
        using var guest = new GuestDouble(directory["v"]);
        Task<ITransportLink> open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        guest.Say(DeviceBench.Header(VsockOperation.Request, 1024));
        guest.Expect(VsockOperation.Reset);
        ChannelException error = await Assert.ThrowsAsync<ChannelException>(() => open.Within());
        Assert.Equal(ChannelError.EndpointDenied, error.Code);
        Assert.Contains("from port 1024", error.Message, StringComparison.Ordinal);
        open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        // Told once; a loop of them delays nobody.
        guest.Say(DeviceBench.Header(VsockOperation.Request, 40_000));
        guest.Expect(VsockOperation.Reset);
        guest.Say(DeviceBench.Header(VsockOperation.Request, 1023));
        guest.Expect(VsockOperation.Response);
        await (await open.Within()).DisposeAsync();
    }
}
