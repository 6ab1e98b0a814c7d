using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.Vsock.Device;
using ChannelSdk.Transports.Vsock.Kernel;
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
        await using var endpoint = device.Listen(DeviceBench.Port);
        using var guest = new GuestDouble(directory["v"]);
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        guest.Say(DeviceBench.Header(VsockOperation.Request, 1024));
        guest.Expect(VsockOperation.Reset);
        var error = await Assert.ThrowsAsync<ChannelException>(() => open.Within());
        Assert.Equal(ChannelError.EndpointDenied, error.Code);
        Assert.Contains("from port 1024", error.Message, StringComparison.Ordinal);
        open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        // Reported once; a loop of them delays no other link.
        guest.Say(DeviceBench.Header(VsockOperation.Request, 40_000));
        guest.Expect(VsockOperation.Reset);
        guest.Say(DeviceBench.Header(VsockOperation.Request, 1023));
        guest.Expect(VsockOperation.Response);
        await (await open.Within()).DisposeAsync();
    }

    [Fact]
    public async Task A_refused_program_does_not_take_the_place_of_the_agent()
    {
        using var directory = new TestDirectory();
        await using var device = new VsockDevice(new VsockDeviceOptions { SocketPath = directory["v"] });
        device.Start();
        await using var endpoint = device.Listen(DeviceBench.Port);
        using var guest = new GuestDouble(directory["v"]);
        var open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        guest.Say(DeviceBench.Header(VsockOperation.Request, 1023));
        guest.Expect(VsockOperation.Response);
        await using var link = await open.Within();
        open = endpoint.OpenAsync(CancellationToken.None).AsTask();
        guest.Say(DeviceBench.Header(VsockOperation.Request, 48_550));
        Assert.Equal(48_550u, guest.Expect(VsockOperation.Reset).DestinationPort);
        Assert.Equal(ChannelError.EndpointDenied, (await Assert.ThrowsAsync<ChannelException>(() => open.Within())).Code);
        guest.Say(DeviceBench.Header(VsockOperation.Data, 1023, length: 2), "up"u8);
        Assert.Equal(2, await link.ReceiveAsync(new byte[8]).Within());
        Assert.Equal(3, await link.SendAsync("yes"u8.ToArray()).Within());
        Assert.Equal(1023u, guest.Expect(VsockOperation.Data).DestinationPort);
    }

    [Theory]
    [InlineData("vsock-listen://42:5000", 42u, 1024u, false)]
    [InlineData("vsock-listen://42:5000", 42u, 48_550u, false)]
    [InlineData("vsock-listen://42:5000", 42u, 1023u, true)]
    [InlineData("vsock-listen://42:5000?source-ports=any", 42u, 48_550u, true)]
    // On the guest's side, where the host dials: it may have any port.
    [InlineData("vsock-listen://2:5000", 2u, 48_550u, true)]
    public async Task A_connection_of_the_kernels_vsock_is_taken_from_a_reserved_port_only(string uri, uint cid, uint port, bool isTaken)
    {
        await using var endpoint = new VsockListenEndpoint(TransportEndpoints.Default.Parse(uri));
        // The kernel's vsock is not opened: the socket stands for what it accepted.
        var (accepted, program) = TestLibc.SocketPair();
        using (program)
        {
            endpoint.Accept(accepted, new VsockAddress(cid, port));
            Assert.Equal(!isTaken, IsClosed(program));
            await endpoint.DisposeAsync();
            Assert.True(IsClosed(program));
        }
    }

    private static unsafe bool IsClosed(SafeFd fd)
    {
        var poll = new PollFd { Fd = (int)fd.DangerousGetHandle() };
        return DescriptorCalls.Poll(&poll, 1, 0) > 0 && (poll.Result & Abi.POLLHUP) != 0;
    }
}
