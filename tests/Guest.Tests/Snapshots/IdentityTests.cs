using ChannelSdk.Protocol.Services;
using Google.Protobuf;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Who clones and restored guests are, in a Debian whose network, SSH server and systemd are its own.</summary>
[Collection("debian template")]
public class IdentityTests(DebianTemplate template)
{
    [Fact]
    public async Task Two_clones_differ_from_each_other_and_from_their_template_in_all_that_says_who_they_are()
    {
        await using var first = await template.CopyAsync();
        await using var second = await template.CopyAsync();

        Assert.Equal("", (await first.CompleteAsync(SnapshotOrigin.Cloned, CloneOf("first", 0x11))).Failure);
        Assert.Equal("", (await second.CompleteAsync(SnapshotOrigin.Cloned, CloneOf("second", 0x12))).Failure);

        GuestIdentity[] all = [template.Identity, await first.IdentityAsync(template.Lan, template.Identity.Address), await second.IdentityAsync(template.Lan, template.Identity.Address)];
        AssertAllDiffer(all.Select(one => one.MachineId));
        AssertAllDiffer(all.Select(one => one.HostKey));
        AssertAllDiffer(all.Select(one => one.Address));
        Assert.Equal(["guest", "first", "second"], all.Select(one => one.HostName));
        Assert.Equal(["52:54:00:77:00:01", "52:54:00:77:00:11", "52:54:00:77:00:12"], all.Select(one => one.HardwareAddress));
    }

    [Fact]
    public async Task A_guest_that_is_put_back_stays_who_it_was()
    {
        await using var restored = await template.CopyAsync();

        var report = await restored.CompleteAsync(SnapshotOrigin.Restored);

        Assert.Equal("", report.Failure);
        Assert.Equal(16, report.Generation.Length);
        Assert.Equal(template.Identity, await restored.IdentityAsync(template.Lan));
    }

    private static SnapshotIdentity CloneOf(string name, byte last) => new()
    {
        HostName = name,
        Addresses = { new AddressChange { Present = Mac(0x01), Next = Mac(last) } },
    };

    private static ByteString Mac(byte last) => ByteString.CopyFrom(0x52, 0x54, 0, 0x77, 0, last);

    private static void AssertAllDiffer(IEnumerable<string> values)
    {
        var list = values.ToList();
        Assert.Equal(list.Count, list.Distinct().Count());
        Assert.DoesNotContain("", list);
    }
}
