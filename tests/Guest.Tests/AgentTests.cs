using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Power;

namespace ChannelSdk.Guest.Tests;

/// <summary>What the agent in a real guest does over every transport.</summary>
public abstract class AgentTests
{
    private static CancellationToken Soon => SavedGuest.Soon;

    /// <summary>A guest whose agent runs and has never seen a host.</summary>
    protected abstract Task<AttachedGuest> StartAsync();

    [Fact]
    public async Task The_agent_answers_who_and_what_it_is()
    {
        await using var started = await StartAsync();
        await using var channel = started.Attach();
        var info = await channel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon);
        Assert.Equal("ChannelSdk test guest", info.Os!.PrettyName);
        Assert.Equal("guest", info.HostName);
        Assert.Contains("6.1.", info.Kernel!.Release, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_host_sees_the_ready_state_in_the_heartbeats()
    {
        await using var started = await StartAsync();
        await using var channel = started.Attach();
        var events = channel.WatchAsync(Soon);
        await foreach (var next in events)
        {
            if (next is { Kind: ChannelEventKind.PeerState, Heartbeat.State: StateWord.Ready })
            {
                return;
            }
        }

        Assert.Fail("the events ended without a ready state");
    }

    [Fact]
    public async Task Transfers_in_both_directions_survive_cuts_of_the_link_without_loss()
    {
        await using var started = await StartAsync();
        await using var channel = started.Attach();
        await channel.WaitReadyAsync(Soon);
        await Transfers.SendAsync(channel, 8 << 20, cutEvery: 2 << 20);
        await Transfers.ReceiveAsync(channel, 8 << 20, cutEvery: 2 << 20);
        Assert.True(channel.Status.Resumes >= 4, $"{channel.Status.Resumes} resumes");
    }

    [Fact]
    public async Task An_agent_that_is_killed_fails_its_calls_as_may_have_run_and_its_successor_answers()
    {
        await using var started = await StartAsync();
        await using var console = await GuestConsole.ConnectAsync(started.Guest.ConsoleSocket);
        await using var channel = started.Attach();
        await channel.WaitReadyAsync(Soon);
        await using var stream = await channel.OpenStreamAsync(MeasureMethods.Source, new SourceRequest { Bytes = 1UL << 38 }, cancellationToken: Soon);
        using (await stream.ReadAsync(Soon))
        {
        }

        await console.ShAsync("kill -9 $(pidof channel-agent)");
        var error = await Assert.ThrowsAsync<ChannelException>(async () =>
        {
            while (true)
            {
                using var _ = await stream.ReadAsync(Soon);
            }
        });
        Assert.Equal((ChannelError.SessionLost, ErrorClass.MayHaveRun), (error.Code, error.Class));
        var reply = await channel.CallAsync(InfoMethods.Ping, new PingRequest(), cancellationToken: Soon);
        Assert.NotNull(reply);
    }

    [Fact]
    public async Task Each_channel_of_a_host_gets_its_own_session_from_the_same_boot()
    {
        await using var started = await StartAsync();
        var sessions = new HashSet<UInt128>();
        var boots = new HashSet<string>();
        for (var i = 0; i < 3; i++)
        {
            await using var channel = started.Attach();
            boots.Add((await channel.CallAsync(InfoMethods.Get, new InfoRequest(), cancellationToken: Soon)).BootId);
            sessions.Add(channel.Status.SessionId!.Value);
        }

        Assert.Equal(3, sessions.Count);
        Assert.NotEmpty(Assert.Single(boots));
    }

    [Fact]
    public async Task A_shutdown_is_accepted_and_the_guest_goes()
    {
        await using var started = await StartAsync();
        await using var channel = started.Attach();
        var reply = await channel.CallAsync(PowerMethods.Request, new PowerCommand { Action = PowerAction.Shutdown, Reason = "test" }, cancellationToken: Soon);
        Assert.True(reply.Accepted);
        await started.Guest.Exited.WaitAsync(Soon);
    }
}
