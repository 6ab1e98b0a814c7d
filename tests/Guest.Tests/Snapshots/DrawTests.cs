using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>A Python program with a TLS client and UUIDs that was started before the snapshot and watches the generation.</summary>
[Collection("debian template")]
public class DrawTests(DebianTemplate template)
{
    [Fact]
    public async Task A_program_from_before_the_snapshot_draws_nothing_twice_in_two_clones()
    {
        await using var first = await template.CopyAsync();
        await using var second = await template.CopyAsync();
        Assert.Equal("", (await first.CompleteAsync(SnapshotOrigin.Cloned)).Failure);
        Assert.Equal("", (await second.CompleteAsync(SnapshotOrigin.Cloned)).Failure);

        var (a, b) = (await DrawnAsync(first), await DrawnAsync(second));

        var shared = a.Intersect(b).ToHashSet();
        // What both have was drawn before the snapshot: of its generation both drew no more than that.
        var old = a[0].Split(' ')[0];
        Assert.All(shared, line => Assert.StartsWith(old, line));
        Assert.All(a.Concat(b).Where(line => !shared.Contains(line)), line => Assert.False(line.StartsWith(old, StringComparison.Ordinal), line));
        var drawn = a.Concat(b.Where(line => !shared.Contains(line))).SelectMany(line => line.Split(' ')[1..]).ToList();
        Assert.Equal(drawn.Count, drawn.Distinct().Count());
    }

    /// <summary>All lines once there are 100 of the new generation.</summary>
    private static async Task<List<string>> DrawnAsync(DebianCopy copy)
    {
        await copy.ShAsync("n=$(wc -l < /run/drawn); i=0; until [ $(wc -l < /run/drawn) -ge $((n+100)) ] || [ $i = 300 ]; do sleep 0.1; i=$((i+1)); done");
        // The last line may be half written.
        var lines = (await copy.ShAsync("cat /run/drawn")).Split('\n').Where(line => line.Split(' ').Length == 3).SkipLast(1).ToList();
        Assert.NotEmpty(lines);
        return lines;
    }
}
