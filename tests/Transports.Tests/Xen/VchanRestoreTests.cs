using ChannelSdk.Transports.Abstractions;
using Xunit;

namespace ChannelSdk.Transports.Tests.Xen;

/// <summary>A domain that is saved and restored: its keys have gone, and its ports of before may not be closed.</summary>
public sealed class VchanRestoreTests
{
    private static readonly string s_path = VchanRig.Path(3, 0);

    [Fact]
    public async Task A_restored_server_closes_no_port_of_before_and_serves_again()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3);
        for (var restores = 0; restores < 3; restores++)
        {
            var (far, near) = await VchanRig.MeetAsync(guest, host);
            await Pattern.SendAsync(near, 100, 1, 100).Within();
            Assert.Equal(100, await Pattern.CheckAsync(far, 100, 1, 100).Within());
            xen.Restore(3, s_path);
            Assert.Equal(0, await near.ReceiveAsync(new byte[1]).Within());
            Assert.Equal(0, await far.ReceiveAsync(new byte[1]).Within());
            await far.DisposeAsync();
            await near.DisposeAsync();
        }

        Assert.Equal(0, xen.Bugs);
        // Of each restore its shared page stays, and nothing of the rings.
        Assert.Equal(3, xen.Mappings);
    }

    [Fact]
    public async Task A_server_that_is_restored_while_it_waits_is_found_under_its_new_keys()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        var accepted = guest.OpenAsync(default).AsTask();
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        xen.Restore(3, s_path);
        await VchanRig.ValueChanges(xen, $"{s_path}/event-channel", null);
        await using var host = VchanRig.Dial(xen, 0, 3);
        await using var near = await host.OpenAsync(default).Within();
        await using var far = await accepted.Within();
        Assert.Equal(0, xen.Bugs);
    }

    [Fact]
    public async Task An_end_that_comes_before_the_restore_was_seen_closes_no_port_of_before()
    {
        using var xen = new XenDouble();
        await using var guest = VchanRig.Listen(xen, 3, 0);
        await using var host = VchanRig.Dial(xen, 0, 3);
        var (far, near) = await VchanRig.MeetAsync(guest, host);
        await using var kept = near;
        xen.Restore(3, "/nothing");
        await far.DisposeAsync();
        await guest.DisposeAsync();
        Assert.Equal(0, xen.Bugs);
    }
}
