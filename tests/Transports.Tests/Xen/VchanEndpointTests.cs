using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Xen.Devices;
using ChannelSdk.Transports.Xen.Store;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>How the two sides find each other, and what they make of domains and keys that come, go and lie.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class VchanEndpointTests
{
    private static readonly string s_path = VchanRig.Path(3, 0);

    [Fact]
    public async Task Only_the_pair_of_domains_may_read_the_keys_and_they_go_with_the_link()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3);
        var (far, near) = await VchanRig.MeetAsync(guest, host);
        Assert.Equal("n3\0", xen.Store.Permissions(s_path));
        Assert.Equal("n3\0r0\0", xen.Store.Permissions($"{s_path}/ring-ref"));
        Assert.Equal("n3\0r0\0", xen.Store.Permissions($"{s_path}/event-channel"));
        Assert.Equal(("3", "0"), (near.Peer.Address, far.Peer.Address));
        await near.DisposeAsync();
        await far.DisposeAsync();
        await guest.DisposeAsync();
        Assert.Null(xen.Store.Value($"{s_path}/ring-ref"));
        Assert.Equal(0, xen.Mappings);
    }

    [Fact]
    public async Task A_guest_may_connect_to_a_host_that_serves()
    {
        using var xen = new XenDouble();
        await using var host = VchanRig.Listen(xen, 0, 3);
        await using var guest = VchanRig.Dial(xen, 3, 0);
        var connected = guest.OpenAsync(default).AsTask();
        await using var far = await host.OpenAsync(default).Within();
        await using var near = await connected.Within();
        await Pattern.SendAsync(far, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(near, 100, 1, 100).Within());
    }

    [Fact]
    public async Task A_domain_that_is_destroyed_ends_its_link_although_its_page_and_its_keys_stay()
    {
        using var xen = new XenDouble();
        var (guest, far, host, near) = await ConnectAsync(xen);
        await far.SendAsync(new byte[7]);
        var receive = Second(near);
        xen.Store.Destroy(3, leavesNodes: true);
        Assert.Equal(0, await receive.Within());
        await DisposeAsync(near, host, far, guest);
    }

    [Fact]
    public async Task Keys_that_vanish_end_the_link_of_both_sides_and_the_server_sets_up_again()
    {
        using var xen = new XenDouble();
        var (guest, far, host, near) = await ConnectAsync(xen);
        xen.Store.Remove(s_path);
        Assert.Equal(0, await near.ReceiveAsync(new byte[1]).Within());
        Assert.Equal(0, await far.ReceiveAsync(new byte[1]).Within());
        await near.DisposeAsync();
        await far.DisposeAsync();

        var accepted = guest.OpenAsync(default).AsTask();
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        var before = xen.Store.Value($"{s_path}/ring-ref")!;
        // As after a restore, before anybody came.
        xen.Store.Remove(s_path);
        await VchanRig.ValueChanges(xen, $"{s_path}/ring-ref", before);
        near = await host.OpenAsync(default).Within();
        far = await accepted.Within();
        await Pattern.SendAsync(near, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
        await DisposeAsync(near, host, far, guest);
    }

    [Fact]
    public async Task The_keys_of_a_server_that_was_killed_are_waited_out()
    {
        using var xen = new XenDouble();
        var guestDevices = xen.Domain(3);
        xen.Store.Set($"{s_path}/ring-ref", "4711", 3);
        xen.Store.Set($"{s_path}/event-channel", "12", 3);
        await using var host = VchanRig.Dial(xen, 0, 3);
        var connecting = host.OpenAsync(default).AsTask();
        await using var guest = new VchanListenEndpoint("vchan-listen://0/test.0", new VchanAddress(0, VchanRig.Name, 12, 12), guestDevices);
        await using var far = await guest.OpenAsync(default).Within();
        await using var near = await connecting.Within();
    }

    [Theory]
    [InlineData(null, null, "has no ring-ref and event-channel")]
    [InlineData("", "5", "has no ring-ref and event-channel")]
    [InlineData("-1", "5", "has no ring-ref and event-channel")]
    [InlineData("0x10", "5", "has no ring-ref and event-channel")]
    [InlineData("8 ", "5", "has no ring-ref and event-channel")]
    [InlineData("8", "0", "has no ring-ref and event-channel")]
    [InlineData("8", "4294967296", "has no ring-ref and event-channel")]
    [InlineData("00000000000000000000000008", "5", "has no ring-ref and event-channel")]
    [InlineData("8", "5", "mmap of /dev/xen/gntdev failed")]
    public async Task Keys_that_lead_nowhere_are_a_missing_endpoint_with_the_reason(string? ring, string? port, string why)
    {
        using var xen = new XenDouble();
        xen.Domain(3);
        if (ring is not null)
        {
            xen.Store.Set($"{s_path}/ring-ref", ring, 3);
            xen.Store.Set($"{s_path}/event-channel", port!, 3);
        }

        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 300);
        var error = await Assert.ThrowsAsync<ChannelException>(() => host.OpenAsync(default).Within());
        Assert.Equal(ErrorClass.Retry, error.Class);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.Equal(0, xen.Mappings);
    }

    [Theory]
    [InlineData(12, 9)]
    [InlineData(10, 10)]
    [InlineData(21, 12)]
    [InlineData(65535, 65535)]
    public async Task A_server_that_lies_of_its_orders_is_refused_untouched(int left, int right)
    {
        using var xen = new XenDouble();
        using var server = new ServerByHand(xen, left, right);
        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 300);
        var error = await Assert.ThrowsAsync<ChannelException>(() => host.OpenAsync(default).Within());
        Assert.Contains("is no vchan", error.Message, StringComparison.Ordinal);
        Assert.Equal(VchanLayout.NotYet, server.ClientLive);
        Assert.Equal(1, xen.Mappings);
    }

    [Fact]
    public async Task Rings_whose_pages_are_not_granted_are_refused()
    {
        using var xen = new XenDouble();
        using var server = new ServerByHand(xen, 12, 12);
        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 300);
        var error = await Assert.ThrowsAsync<ChannelException>(() => host.OpenAsync(default).Within());
        Assert.Contains("mmap of /dev/xen/gntdev failed", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, xen.Mappings);
    }

    [Fact]
    public async Task A_channel_that_another_client_has_is_not_disturbed()
    {
        using var xen = new XenDouble();
        using var server = new ServerByHand(xen, 10, 11) { ClientLive = VchanLayout.Up };
        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 300);
        var error = await Assert.ThrowsAsync<ChannelException>(() => host.OpenAsync(default).Within());
        Assert.Contains("has another client", error.Message, StringComparison.Ordinal);
        Assert.Equal(VchanLayout.Up, server.ClientLive);
    }

    [Fact]
    public async Task Keys_that_change_while_a_client_connects_are_not_connected_by()
    {
        using var xen = new XenDouble();
        using var lure = new ServerByHand(xen, 10, 11);
        var reads = 0;
        xen.Store.Before = (domain, operation, path) =>
        {
            // After the client has read both keys and mapped the page.
            if (domain == 0 && operation == StoreOperation.Read && path.EndsWith("ring-ref", StringComparison.Ordinal) && Interlocked.Increment(ref reads) == 2)
            {
                xen.Store.Set($"{s_path}/ring-ref", "99999", 3);
            }
        };
        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 300);
        await Assert.ThrowsAsync<ChannelException>(() => host.OpenAsync(default).Within());
        Assert.Equal(VchanLayout.NotYet, lure.ClientLive);
    }

    [Fact]
    public async Task Two_servers_of_one_name_are_told_so()
    {
        using var xen = new XenDouble();
        await using var first = VchanRig.Listen(xen, 3, 0);
        var waiting = first.OpenAsync(default).AsTask();
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        await using var second = VchanRig.Listen(xen, 3, 0);
        _ = second.OpenAsync(default).AsTask();
        var error = await Assert.ThrowsAsync<ChannelException>(() => waiting.Within());
        Assert.Equal(ChannelError.EndpointBusy, error.Code);
    }

    [Fact]
    public async Task A_link_outlives_the_connection_to_xenstore_and_the_next_open_makes_one()
    {
        using var xen = new XenDouble();
        var (guest, far, host, near) = await ConnectAsync(xen);
        xen.Store.Restart();
        await Pattern.SendAsync(near, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
        await near.DisposeAsync();
        await far.DisposeAsync();
        (far, near) = await VchanRig.MeetAsync(guest, host);
        await DisposeAsync(near, host, far, guest);
    }

    [Fact]
    public async Task A_domain_that_changes_its_keys_in_a_loop_costs_the_host_a_bounded_number_of_looks()
    {
        using var xen = new XenDouble();
        var (guest, far, host, near) = await ConnectAsync(xen);
        var before = xen.Store.Requests[StoreOperation.Read];
        for (var i = 0; i < 20_000; i++)
        {
            xen.Store.Touch($"{s_path}/ring-ref");
        }

        await Pattern.SendAsync(near, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
        // Both sides watch here: two reads each for a look, a look each 50 ms.
        Assert.InRange(xen.Store.Requests[StoreOperation.Read] - before, 0, 1000);
        await DisposeAsync(near, host, far, guest);
    }

    private static async Task<(ITransportEndpoint Guest, ITransportLink Far, ITransportEndpoint Host, ITransportLink Near)> ConnectAsync(XenDouble xen)
    {
        var guest = VchanRig.Listen(xen, 3, 0);
        var host = VchanRig.Dial(xen, 0, 3);
        var (far, near) = await VchanRig.MeetAsync(guest, host);
        return (guest, far, host, near);
    }

    private static async Task DisposeAsync(params IAsyncDisposable[] all)
    {
        foreach (var one in all)
        {
            await one.DisposeAsync();
        }
    }

    /// <summary>What comes after the first bytes.</summary>
    private static async Task<int> Second(ITransportLink link)
    {
        Assert.Equal(7, await link.ReceiveAsync(new byte[100]));
        return await link.ReceiveAsync(new byte[100]);
    }

    /// <summary>A server that only grants its page and publishes its keys.</summary>
    private sealed unsafe class ServerByHand : IDisposable
    {
        private readonly GrantArea _page;
        private readonly EventPort _port;

        internal ServerByHand(XenDouble xen, int left, int right)
        {
            var devices = xen.Domain(3);
            (_page, _port) = (devices.Grant(0, 1), devices.Listen(0));
            *(ushort*)(_page.Start + VchanLayout.LeftOrder) = (ushort)left;
            *(ushort*)(_page.Start + VchanLayout.RightOrder) = (ushort)right;
            _page.Start[VchanLayout.ServerLive] = VchanLayout.Up;
            ClientLive = VchanLayout.NotYet;
            xen.Store.Set($"{s_path}/ring-ref", $"{_page.References[0]}", 3);
            xen.Store.Set($"{s_path}/event-channel", $"{_port.Number}", 3);
        }

        internal byte ClientLive
        {
            get => _page.Start[VchanLayout.ClientLive];
            init => _page.Start[VchanLayout.ClientLive] = value;
        }

        public void Dispose()
        {
            _page.Dispose();
            _port.Dispose();
        }
    }
}
