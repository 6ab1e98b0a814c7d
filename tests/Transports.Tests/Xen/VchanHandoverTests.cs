using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Reactor;
using ChannelSdk.Transports.Xen.Vchan;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>A client whose server one process finds and whose link another one has; both are this process here.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class VchanHandoverTests
{
    private static readonly string s_path = VchanRig.Path(3, 0);

    [Theory]
    [InlineData(10)]
    [InlineData(16)]
    public async Task Bytes_go_both_ways_and_the_end_of_the_link_lets_the_next_one_come(int order)
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0, order);
        await using var host = VchanRig.Dial(xen, 0, 3);
        for (var round = 0; round < 3; round++)
        {
            var accepted = guest.OpenAsync(default).AsTask();
            var near = await OpenAsync(xen, host);
            var far = await accepted.Within();
            Assert.Equal(("vchan", "3"), (near.Peer.Scheme, near.Peer.Address));
            await Pattern.SendAsync(near, 300, round, 100).Within();
            Assert.Equal(300, await Pattern.CheckAsync(far, 300, round, 100).Within());
            await Pattern.SendAsync(far, 300, round, 100).Within();
            Assert.Equal(300, await Pattern.CheckAsync(near, 300, round, 100).Within());
            await near.DisposeAsync();
            Assert.Equal(0, await far.ReceiveAsync(new byte[1]).Within());
            await far.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_domain_that_is_destroyed_ends_the_link_of_the_other_process()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3);
        var accepted = guest.OpenAsync(default).AsTask();
        await using var near = await OpenAsync(xen, host);
        await using var far = await accepted.Within();
        await far.SendAsync(new byte[7]);
        xen.Store.Destroy(3, leavesNodes: true);
        Assert.Equal(7, await near.ReceiveAsync(new byte[10]).Within());
        Assert.Equal(0, await near.ReceiveAsync(new byte[10]).Within());
    }

    [Fact]
    public async Task Nothing_is_written_to_memory_whose_keys_have_gone_meanwhile()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3);
        using var stop = new CancellationTokenSource();
        var accepted = guest.OpenAsync(stop.Token).AsTask();
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        var parts = await ((IMappedEndpoint)host).OpenPartsAsync(default).AsTask().Within();
        var made = VchanParts.Of(parts.Files, parts.Description.Span);
        using (var area = VchanArea.Take(xen.Domain(0), made))
        {
            xen.Store.Remove(s_path);
            var lease = DescriptorLinks.Attach(made.Lease, new PeerIdentity("test", "test"));
            await lease.SendAsync(new[] { VchanLease.Mapped });
            Assert.Equal(0, await lease.ReceiveAsync(new byte[1]).Within());
        }

        await using var near = await OpenAsync(xen, host);
        await using var far = await accepted.Within();
    }

    [Theory]
    [InlineData("", "goes")]
    [InlineData("\u0007", "says another byte")]
    [InlineData("\u0001", "is let in")]
    [InlineData("\u0001\u0001", "says more than it may")]
    public async Task A_process_that_does_not_do_its_part_ends_its_lease_and_the_next_one_is_let_in(string says, string what)
    {
        Assert.NotEmpty(what);
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3, patienceMs: 50);
        var accepted = guest.OpenAsync(default).AsTask();
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        var parts = await ((IMappedEndpoint)host).OpenPartsAsync(default).AsTask().Within();
        var lease = DescriptorLinks.Attach(parts.Files[0], new PeerIdentity("test", "test"));
        if (says.Length > 0)
        {
            await lease.SendAsync(System.Text.Encoding.ASCII.GetBytes(says));
        }

        if (says.Length == 0)
        {
            lease.Abort();
        }
        else if (says == "\u0001")
        {
            Assert.Equal(1, await lease.ReceiveAsync(new byte[10]).Within());
        }
        else
        {
            while (await lease.ReceiveAsync(new byte[10]).Within() > 0)
            {
            }
        }

        // While it holds on to the port the domain has no other client; it is the one of its own instance.
        await Assert.ThrowsAsync<ChannelException>(() => ((IMappedEndpoint)host).OpenPartsAsync(default).AsTask().Within());
        xen.Domain(0).Take(parts.Files[1], VchanParts.Of(parts.Files, parts.Description.Span).Port).Dispose();
        await using var near = await OpenAsync(xen, host);
        await using var far = await accepted.Within();
        await Pattern.SendAsync(near, 100, 1, 100).Within();
        Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
    }

    [Fact]
    public void Parts_that_are_none_are_refused()
    {
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => VchanParts.Of([], new byte[40])).Code);
        Assert.Equal(ChannelError.BadConfiguration, Assert.Throws<ChannelException>(() => VchanParts.Of([new SafeFd(), new SafeFd(), new SafeFd()], new byte[3])).Code);
    }

    private static async Task<ITransportLink> OpenAsync(XenDouble xen, ITransportEndpoint host)
    {
        while (true)
        {
            var parts = await ((IMappedEndpoint)host).OpenPartsAsync(default).AsTask().Within();
            try
            {
                return await VchanHandover.OpenAsync(xen.Domain(0), VchanParts.Of(parts.Files, parts.Description.Span)).AsTask().Within();
            }
            catch (ChannelException e) when (e.Class == ErrorClass.Retry)
            {
                // The server before has not gone yet.
            }
        }
    }
}
