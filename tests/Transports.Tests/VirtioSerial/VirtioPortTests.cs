using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Schemes;
using ChannelSdk.Transports.VirtioSerial;
using Xunit;

namespace ChannelSdk.Transports.Tests.VirtioSerial;

/// <summary>
/// The guest side against doubles: a socket whose peer has closed answers like a port whose host is absent (IN and
/// HUP, reads of 0), and a raw pseudo terminal is a device with a path. A real guest's port is tested elsewhere.
/// </summary>
public sealed class VirtioPortTests
{
    private static readonly PeerIdentity s_peer = new("virtio-port", "test");

    [Theory]
    [InlineData(Abi.POLLIN | Abi.POLLHUP, HostPresence.Absent)]
    [InlineData(Abi.POLLOUT, HostPresence.Present)]
    [InlineData(Abi.POLLIN | Abi.POLLOUT, HostPresence.Present)]
    [InlineData(0, HostPresence.Present)]
    [InlineData(Abi.POLLHUP, HostPresence.Unplugged)]
    [InlineData(Abi.POLLNVAL, HostPresence.Unplugged)]
    [InlineData(Abi.POLLERR | Abi.POLLHUP | Abi.POLLIN, HostPresence.Unplugged)]
    public void The_drivers_poll_answers_are_understood(int poll, object presence) =>
        Assert.Equal(presence, VirtioPort.Classify((short)poll));

    [Fact]
    public async Task The_host_going_ends_the_link_and_the_next_wait_does_not_end_by_itself()
    {
        var (device, host) = TestLibc.SocketPair();
        using var port = VirtioPort.Attach(device, "virtio-port://test", "/dev/test");
        Assert.True(await port.WaitForHostAsync(CancellationToken.None));
        var link = new VirtioPortLink(port, s_peer);
        port.Link = link;

        var receive = link.ReceiveAsync(new byte[10]).AsTask();
        TestLibc.Write(host, "abc"u8);
        Assert.Equal(3, await receive.Within());
        Assert.Equal(2, await link.SendAsync("de"u8.ToArray()).Within());

        // A socket with unread bytes would close with an error that no port has.
        Assert.Equal(2, TestLibc.Read(host, new byte[10]));
        receive = link.ReceiveAsync(new byte[10]).AsTask();
        host.Dispose();
        Assert.Equal(0, await receive.Within());
        Assert.Equal(0, await link.ReceiveAsync(new byte[10]).Within());
        var error = await Assert.ThrowsAsync<ChannelException>(() => link.SendAsync(new byte[1]).Within());
        Assert.Equal(ChannelError.LinkLost, error.Code);
        await link.DisposeAsync();
        Assert.Null(port.Link);

        using var cancel = new CancellationTokenSource();
        var wait = port.WaitForHostAsync(cancel.Token).AsTask();
        Assert.False(wait.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.Within());
    }

    [Fact]
    public async Task A_host_whose_coming_made_no_edge_is_found_all_the_same()
    {
        var (device, firstHost) = TestLibc.SocketPair();
        var (nextDevice, nextHost) = TestLibc.SocketPair();
        using var keptOpen = nextHost;
        firstHost.Dispose();
        using var port = VirtioPort.Attach(device, "virtio-port://test", "/dev/test");
        var wait = port.WaitForHostAsync(CancellationToken.None).AsTask();
        Assert.False(wait.IsCompleted);

        // The new file under the old number is not in the reactor, so only the safety poll can see it.
        TestLibc.Replace(device, nextDevice);
        nextDevice.Dispose();
        Assert.True(await wait.Within());
    }

    [Fact]
    public async Task An_unplugged_port_ends_the_wait()
    {
        var (device, host) = TestLibc.SocketPair();
        host.Dispose();
        using var port = VirtioPort.Attach(device, "virtio-port://test", "/dev/test");
        var wait = port.WaitForHostAsync(CancellationToken.None).AsTask();

        // A socket that was never connected polls HUP without IN, as an unplugged port does.
        using var lone = new SafeFd(SocketCalls.Socket(Abi.AF_UNIX, Abi.SOCK_STREAM | Abi.SOCK_NONBLOCK, 0));
        TestLibc.Replace(device, lone);
        Assert.False(await wait.Within());
    }

    [Fact]
    public async Task A_link_that_ended_stays_so_when_a_host_is_there_again()
    {
        var (device, firstHost) = TestLibc.SocketPair();
        var (nextDevice, nextHost) = TestLibc.SocketPair();
        using var keptOpen = nextHost;
        using var port = VirtioPort.Attach(device, "virtio-port://test", "/dev/test");
        var link = new VirtioPortLink(port, s_peer);
        port.Link = link;
        firstHost.Dispose();
        Assert.Equal(0, await link.ReceiveAsync(new byte[1]).Within());

        TestLibc.Replace(device, nextDevice);
        nextDevice.Dispose();
        TestLibc.Write(nextHost, "new"u8);
        Assert.Equal(0, await link.ReceiveAsync(new byte[10]).Within());
        await Assert.ThrowsAsync<ChannelException>(() => link.SendAsync(new byte[1]).Within());
        await link.DisposeAsync();

        var next = new VirtioPortLink(port, s_peer);
        port.Link = next;
        Assert.Equal(3, await next.ReceiveAsync(new byte[10]).Within());
    }

    [Fact]
    public async Task A_device_is_opened_once_and_gives_link_after_link()
    {
        var (host, path) = TestLibc.RawTerminal();
        await using var endpoint = TransportEndpoints.Create($"virtio-port://{path}");
        for (var round = 0; round < 3; round++)
        {
            await using var link = await endpoint.OpenAsync(CancellationToken.None).Within();
            await Assert.ThrowsAsync<InvalidOperationException>(
                () => endpoint.OpenAsync(CancellationToken.None).Within());
            Assert.Equal(new PeerIdentity("virtio-port", path), link.Peer);
            var receive = link.ReceiveAsync(new byte[10]).AsTask();
            Assert.Equal(3, TestLibc.Write(host, "abc"u8));
            Assert.Equal(3, await receive.Within());
            Assert.Equal(2, await link.SendAsync("de"u8.ToArray()).Within());
            var got = new byte[10];
            Assert.Equal(2, TestLibc.Read(host, got));
        }

        var last = await endpoint.OpenAsync(CancellationToken.None).Within();
        var end = last.ReceiveAsync(new byte[10]).AsTask();
        host.Dispose();
        Assert.Equal(0, await end.Within());
        await last.DisposeAsync();

        var error = await Assert.ThrowsAsync<ChannelException>(
            () => endpoint.OpenAsync(CancellationToken.None).Within());
        Assert.Equal(ChannelError.EndpointMissing, error.Code);
        Assert.Equal(ErrorClass.Retry, error.Class);
    }

    [Fact]
    public async Task Disposing_of_the_endpoint_ends_its_link_and_closes_the_device()
    {
        var (host, path) = TestLibc.RawTerminal();
        using var keptOpen = host;
        var endpoint = TransportEndpoints.Create($"virtio-port://{path}");
        var link = await endpoint.OpenAsync(CancellationToken.None).Within();
        var receive = link.ReceiveAsync(new byte[10]).AsTask();

        await endpoint.DisposeAsync();
        var error = await Assert.ThrowsAsync<ChannelException>(() => receive.Within());
        Assert.Equal(ChannelError.LinkLost, error.Code);
        // The last opener of a pseudo terminal's device has gone: its other end says so.
        Assert.Equal(-1, TestLibc.Read(host, new byte[1]));
    }
}
