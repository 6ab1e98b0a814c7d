using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.GuestAgent.Tests;

public sealed class MountListTests
{
    // The agent's whole heap is 32 MiB.
    private const long SomeBytes = 8 << 20;

    [Fact]
    public void Nine_thousand_mounts_are_read_whole_with_a_quarter_of_the_heap()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 9000; i++)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{i} 20 254:0 /var/lib/kubelet/pods/{i:x32}/volumes /run/bind/mount/number/{i} rw,nosuid,nodev,relatime shared:{i} - ext4 /dev/vda1 rw,errors=remount-ro\n");
        }

        using var file = new TemporaryFile(text.ToString());
        MountList.Read(file.Path, static _ => false);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var (table, isWhole) = MountList.Read(file.Path, static _ => true);

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal((9000, true, "/run/bind/mount/number/8999"), (table.Entries.Count, isWhole, table.Entries[^1].Path));
        Assert.True(allocated < SomeBytes, $"{allocated} bytes");
    }

    [Fact]
    public void A_hundred_and_ten_mounts_with_the_longest_paths_are_read_whole()
    {
        var folder = "/" + string.Join('/', Enumerable.Repeat(new string('a', 200), 19));
        var escaped = "/" + string.Join('/', Enumerable.Repeat(string.Concat(Enumerable.Repeat("\\040", 200)), 19));
        using var file = new TemporaryFile(string.Concat(Enumerable.Range(0, 110).Select(i => $"{i} 20 254:0 {escaped} {escaped}/{i} rw - ext4 {folder} rw\n")));

        var (table, isWhole) = MountList.Read(file.Path, static _ => true);

        Assert.Equal((110, true), (table.Entries.Count, isWhole));
        Assert.Equal(escaped.Replace("\\040", " ", StringComparison.Ordinal) + "/109", table.Entries[^1].Path);
    }

    [Fact]
    public void What_is_not_wanted_takes_no_memory()
    {
        using var file = new TemporaryFile(string.Concat(Enumerable.Range(0, 20_000).Select(static i => $"{i} 20 0:{i} / /run/some/where/{i} rw - overlay overlay rw\n")) + "7 1 8:1 / / rw - xfs /dev/sda rw\n");

        var (table, isWhole) = MountList.Read(file.Path, static mount => !mount.IsAnonymous);

        Assert.Equal(("/", true), (Assert.Single(table.Entries).Path, isWhole));
    }

    [Fact]
    public void A_list_that_does_not_fit_is_told_as_such_and_a_line_of_any_length_is_passed_over()
    {
        using var file = new TemporaryFile(new string('x', 300_000) + "\n7 1 8:1 / /first rw - xfs /dev/sda rw\n"
            + string.Concat(Enumerable.Range(0, 60_000).Select(static i => $"{i} 20 0:{i} /{i} /run/some/where/{i} rw - tmpfs tmpfs rw\n")));

        var (table, isWhole) = MountList.Read(file.Path, static _ => true);

        Assert.Equal(("/first", false), (table.Entries[0].Path, isWhole));
    }

    [Fact]
    public void A_list_that_cannot_be_read_is_an_error_that_says_so() =>
        Assert.Equal(ChannelError.Unsupported, Assert.Throws<ChannelException>(static () => MountList.Read("/nonexistent", static _ => true)).Code);

    [Fact]
    public void A_path_that_is_no_text_keeps_its_bytes()
    {
        var entry = new MountLine().Parse([.. "7 1 8:1 / /a\\040"u8, 0xE4, .. " rw - xfs /dev/sda rw"u8])!;
        Assert.Equal([.. "/a "u8, 0xE4], entry.RawPath!);
        Assert.Equal([.. "/a "u8, 0xE4, 0], entry.PathBytes());
    }
}
