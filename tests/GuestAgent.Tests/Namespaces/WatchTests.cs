using ChannelSdk.Host.Watch;

namespace ChannelSdk.GuestAgent.Tests.Namespaces;

/// <summary>What a host is told of a guest's changes, in a network of the agent's own.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class WatchTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("watch-test-");
    private AgentProcess Agent { get; set; } = null!;

    public async Task InitializeAsync()
    {
        Agent = new AgentProcess(_folder.FullName, "--net --mount", "ip link set lo up\nmount -t tmpfs run /run\n");
        await Agent.ReadyAsync();
    }

    [Fact]
    public async Task A_watcher_is_told_all_at_first_and_then_what_changes()
    {
        await using var changes = Agent.Instance.Watch.ReadAsync(TimeSpan.FromMilliseconds(50), Agent.Soon).GetAsyncEnumerator(Agent.Soon);
        var first = await NextAsync(changes);
        Assert.NotNull(first.Network);
        Assert.NotNull(first.Disks);
        Assert.Empty(first.Users!);
        Assert.Equal("ready", first.State);

        await Agent.InsideAsync("sh", "-ec", "ip link add card0 type veth peer name card1; ip link set card0 up; ip addr add 192.0.2.5/24 dev card0");
        // The parts of one command may come one by one.
        var change = await NextAsync(changes);
        while (change.Network?.Interfaces.Any(static i => i.Name == "card0" && i.Addresses.Contains("192.0.2.5/24")) != true)
        {
            Assert.True(change is { Disks: null, Users: null, State: null }, "what has not changed is told again");
            change = await NextAsync(changes);
        }

        await Agent.InsideAsync("ip", "link", "del", "card0");
        change = await NextAsync(changes);
        while (change.Network?.Interfaces.Any(static i => i.Name == "card0") != false)
        {
            change = await NextAsync(changes);
        }
    }

    [Fact]
    public async Task A_login_is_told()
    {
        await using var changes = Agent.Instance.Watch.ReadAsync(TimeSpan.FromMilliseconds(50), Agent.Soon).GetAsyncEnumerator(Agent.Soon);
        await NextAsync(changes);
        // A record of utmp(5): a user process of "guest" on tty1.
        await Agent.InsideAsync("sh", "-ec", @"{ printf '\007\000\000\000\001\000\000\000tty1'; head -c 32 /dev/zero; printf 'guest'; head -c 335 /dev/zero; } | head -c 384 >/run/utmp");
        var change = await NextAsync(changes);
        Assert.Equal(("guest", "tty1"), (Assert.Single(change.Users!).Name, change.Users![0].Terminal));
        Assert.Null(change.Network);
    }

    [Fact]
    public async Task Events_without_a_change_are_not_reported()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Agent.Soon);
        await using var changes = Agent.Instance.Watch.ReadAsync(TimeSpan.FromMilliseconds(50), stop.Token).GetAsyncEnumerator(stop.Token);
        var disks = (await NextAsync(changes)).Disks!;
        // It makes an event of the kernel, and leaves everything as it was.
        await Agent.InsideAsync("ip", "link", "set", "lo", "up");
        await Agent.InsideAsync("touch", "/run/utmp");
        var quiet = Task.Delay(TimeSpan.FromSeconds(2.5), stop.Token);
        Task<bool> next;
        while (await Task.WhenAny(next = changes.MoveNextAsync().AsTask(), quiet) == next)
        {
            // Disks are the machine's: tests beside this one attach some, which is a change.
            Assert.True(await next);
            Assert.True(changes.Current is { Network: null, Users: null, State: null }, $"what has not changed is told: {changes.Current}");
            Assert.False(disks.SequenceEqual(changes.Current.Disks!), "disks that have not changed are told again");
            disks = changes.Current.Disks!;
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
    }

    public async Task DisposeAsync()
    {
        await Agent.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    private static async Task<GuestChange> NextAsync(IAsyncEnumerator<GuestChange> changes)
    {
        Assert.True(await changes.MoveNextAsync());
        return changes.Current;
    }
}
