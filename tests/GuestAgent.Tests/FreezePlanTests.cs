using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Tests;

public class FreezePlanTests
{
    private const string Usual = """
        20 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
        21 20 0:20 / /proc rw - proc proc rw
        22 20 0:21 / /run rw - tmpfs tmpfs rw
        23 20 254:16 / /srv rw - xfs /dev/vdb rw
        24 23 254:32 / /srv/a\040b rw - ext4 /dev/vdc rw
        """;

    [Fact]
    public void The_deepest_mounts_come_first_and_pseudo_file_systems_not_at_all()
    {
        var plan = Plan(Usual);

        Assert.Equal(["/srv/a b", "/srv", "/"], Names(plan));
        Assert.Empty(plan.Skipped);
    }

    [Fact]
    public void A_file_system_mounted_in_many_places_is_frozen_once()
    {
        var plan = Plan(Usual + "\n30 20 254:16 /part /home/part rw - xfs /dev/vdb rw\n31 20 254:16 / /mnt rw - xfs /dev/vdb rw");

        Assert.Equal(["/srv/a b", "/srv", "/"], Names(plan));
        Assert.Equal(3, plan.Targets.Single(target => target.Main.Path == "/srv").Mounts.Count);
    }

    [Fact]
    public void A_file_system_in_a_file_of_another_is_frozen_before_it_in_any_mount_order()
    {
        // /img is mounted first and lies in a file on /srv, which is mounted later; and a second level on top.
        const string table = """
            20 1 254:1 / / rw - ext4 /dev/vda1 rw
            22 20 7:0 / /img rw - ext4 /dev/loop0 rw
            23 20 7:1 / /img2 rw - xfs /dev/loop1 rw
            24 20 254:16 / /srv rw - xfs /dev/vdb rw
            """;
        var plan = Plan(table, backing: mount => mount.Path switch
        {
            "/img" => ["/srv/disk.img"],
            "/img2" => ["/img/inner.img"],
            _ => [],
        });

        Assert.Equal(["/img2", "/img", "/srv", "/"], Names(plan));
    }

    [Fact]
    public void Backing_files_that_make_a_circle_do_not_hang_it()
    {
        var plan = Plan(Usual, backing: mount => mount.Path == "/" ? ["/srv/x"] : ["/x"]);

        Assert.Equal(3, plan.Targets.Count);
    }

    [Theory]
    [InlineData("40 20 254:48 / /ro ro - ext4 /dev/vdd ro", "/ro", "read-only")]
    [InlineData("40 20 0:50 / /net rw - nfs4 server:/x rw", "/net", "nfs4 has no storage in this guest")]
    [InlineData("40 20 0:51 / /merged rw - overlay overlay rw,upperdir=/u", "/merged", "an overlay stores nothing itself")]
    [InlineData("40 20 0:52 / /tmp rw - tmpfs tmpfs rw", "/tmp", "tmpfs has no storage")]
    [InlineData("40 20 0:53 / /sftp rw - fuse.sshfs host: rw", "/sftp", "fuse.sshfs has no storage")]
    public void A_mount_that_cannot_be_frozen_is_skipped_with_the_reason_if_it_was_asked_for(string line, string path, string reason)
    {
        var plan = Plan(Usual + "\n" + line, path);

        Assert.Empty(plan.Targets);
        var skipped = Assert.Single(plan.Skipped);
        Assert.Equal((path, MountOutcome.Skipped), (skipped.Mount, skipped.Outcome));
        Assert.Contains(reason, skipped.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_read_only_bind_mount_of_a_writable_file_system_does_not_hide_it() =>
        Assert.Contains("/jail", Names(Plan("20 1 254:1 / /jail ro - ext4 /dev/vda1 rw")));

    [Fact]
    public void Volumes_with_anonymous_numbers_are_frozen() =>
        Assert.Equal(["/vol"], Names(Plan("20 1 0:44 /sub /vol rw - btrfs /dev/vdb rw")));

    [Fact]
    public void Only_the_asked_mounts_are_frozen_by_any_of_their_names() =>
        Assert.Equal(["/srv"], Names(Plan(Usual + "\n30 20 254:16 /part /home/part rw - xfs /dev/vdb rw", "/home/part")));

    [Theory]
    [InlineData("/srv/folder")]
    [InlineData("/dev/vdb")]
    [InlineData("")]
    public void What_is_no_mount_point_is_refused(string path)
    {
        var e = Assert.Throws<ChannelException>(() => Plan(Usual, path));

        Assert.Equal(ChannelError.NotFound, e.Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage\n1 2 3\n x - y")]
    [InlineData("20 1 254:1 / / rw -")]
    [InlineData("99999999999999999999 1 254:1 / / rw - ext4 /dev/vda1 rw")]
    public void A_table_that_makes_no_sense_is_an_empty_one(string text) => Assert.Empty(MountTable.Parse(text).Entries);

    [Theory]
    [InlineData("/srv/a b/c", "/srv/a b")]
    [InlineData("/srv/ab", "/srv")]
    [InlineData("/run/x", "/run")]
    [InlineData("/runner", "/")]
    public void The_mount_of_a_path_is_found(string path, string mount) =>
        Assert.Equal(mount, MountTable.Parse(Usual).Containing(path)!.Path);

    [Fact]
    public void The_mounts_of_this_machine_can_be_read_and_planned()
    {
        var platform = new LinuxFreezePlatform();
        var table = platform.ReadMounts();

        Assert.Contains(table.Entries, entry => entry.Path == "/");
        Assert.NotNull(FreezePlan.Make(table, [], platform.BackingFiles));
        var proc = table.Entries.Last(entry => entry.Path == "/proc");
        Assert.Equal(0, platform.Open(proc, out var handle));
        platform.Close(handle);
        Assert.NotEqual(0, platform.Open(proc with { Id = proc.Id + 100_000 }, out _));
    }

    private static FreezePlan Plan(string table, string? asked = null, Func<MountEntry, IReadOnlyList<string>>? backing = null) =>
        FreezePlan.Make(MountTable.Parse(table), asked is null ? [] : [asked], backing ?? (static _ => []));

    private static IEnumerable<string> Names(FreezePlan plan) => plan.Targets.Select(static target => target.Main.Path);
}
